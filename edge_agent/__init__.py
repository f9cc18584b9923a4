"""At the machine: sensors, the spool on disk, the publisher, the wire format, the simulator."""
