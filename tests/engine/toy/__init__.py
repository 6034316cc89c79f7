"""A provider of toys: the project's server and adapter, a folder of files as its only backend."""
