"""What people write instead: a paho subscriber that inserts batches. Arguments: Mosquitto's port, the store.

Fair to such scripts: QoS 1, a session that outlives a disconnect, batched unordered inserts with an index
and the write concern as ours, and a batch that fails is tried again until the store is back.
"""

import queue
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, PyMongoError

_BATCH, _PAUSE_S = 1000, 0.05


def _insert(samples: Collection[dict[str, object]], batch: list[dict[str, object]]) -> None:
    while True:
        try:
            samples.insert_many(batch, ordered=False)
        except BulkWriteError:
            return  # they were there before: pymongo gave the documents their ids
        except PyMongoError:
            time.sleep(_PAUSE_S)
        else:
            return


def main() -> None:
    port, url = int(sys.argv[1]), sys.argv[2]
    store = MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=2000)
    database = store.get_database("paho", write_concern=WriteConcern(w="majority", j=True))
    samples = database.get_collection("samples")
    samples.create_index([("e", 1), ("t", 1), ("_id", 1)])
    waiting: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()

    def on_connect(client: mqtt.Client, *_rest: object) -> None:
        client.subscribe("kp1/#", qos=1)
        print("ready", flush=True)

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        waiting.put({"e": message.topic, "t": time.time_ns() // 1_000_000, "s": message.payload})

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="store", clean_session=False)
    client.on_connect, client.on_message = on_connect, on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    while True:
        batch = [waiting.get()]
        while len(batch) < _BATCH and not waiting.empty():
            batch.append(waiting.get())
        _insert(samples, batch)


if __name__ == "__main__":
    main()
