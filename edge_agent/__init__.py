"""At the machine: sensors, the spool on disk, the publisher, the wire format, the simulator."""

__version__ = "0.1.0"
