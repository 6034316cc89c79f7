"""What the engine's tests know of resource types."""

IMPORTED = {
    "OrganizationalUnit",
    "Account",
    "Group",
    "Mailbox",
    "Alias",
    "Policy",
    "AppRole",
    "LoginGroup",
    "PkiRole",
    "Certificate",
    "RecordSet",
}
"""Types that can be imported, without their package."""
