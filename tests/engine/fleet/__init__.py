"""The fast runner on a project of toys: real engine, real attached processes."""
