"""How fast it is: a training step, and the levels in the runtimes of a device (Table 2)."""
