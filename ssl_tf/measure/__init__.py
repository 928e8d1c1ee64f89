"""What the command `benchmark` measures: a module each, with `measure(options)`."""
