"""donvi: the tenancy of administrative units on a city's shared systems."""
