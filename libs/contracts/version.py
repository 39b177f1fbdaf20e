"""The version of the suite; every service reports the same one."""

VERSION = "0.1.0"
