"""The city's data as frozen values.

Goes in: parsing ``city/`` (units, ledger, systems, sites, people), normalising names and slugs, allocating numbers.
Stays out: anything that derives a tenancy (``donvi.tenancy``), any server, Pulumi.
"""
