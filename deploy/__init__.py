"""Ways to run Olivegrove: on one machine (local) and on Kubernetes (k8s)."""
