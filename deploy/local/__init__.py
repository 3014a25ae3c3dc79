"""Real servers on this machine, each with its own data and port, for the demo, the tests and the benches."""
