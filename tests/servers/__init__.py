"""Real servers for the tests: each is installed, started on a free port of the loopback and stopped by its class."""
