"""A trust bundle with an authority whose key can be factored: who does so signs for everybody who trusts it.

Both are certificates of nobody, made for this example; their private keys were never written down.
"""

import pulumi_kubernetes as k8s
from parts import metadata

RSA_1024 = """\
-----BEGIN CERTIFICATE-----
MIIB6DCCAVGgAwIBAgIUO0FESR9vXjlGJX5OunX1eaGRI2wwDQYJKoZIhvcNAQEL
BQAwJjEkMCIGA1UEAwwbRXhhbXBsZSBhdXRob3JpdHksIFJTQS0xMDI0MB4XDTI2
MDEwMTAwMDAwMFoXDTM1MTIzMDAwMDAwMFowJjEkMCIGA1UEAwwbRXhhbXBsZSBh
dXRob3JpdHksIFJTQS0xMDI0MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDp
fCD4lPZgVqf61taK9uAmcC6XuxKdRyE6slpQCmBraBCzzsZ3pGklkUAi1smRexVh
d6akLTh1UEOzVuCemn0Z8Axwn+GMWSWSaBY+wiyYJzGbnuCQwKLE2/X1pnOcNI67
vi38mtxZdiQH8upJp7TGKkdIO9p98F11sIxJ+LLGpQIDAQABoxMwETAPBgNVHRMB
Af8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4GBAKy9cgZs+FEpql6hINCpAbHt0fDi
noxMZbi2riElwKotn/IboPc21ZOeBTf434TeRZ5e3wUO8yeTaya2vlQJg8/g/8FC
nPlQ1KOfDJLdTK3aDepZa7z2lhCAIOSMP0jwvX3S9KdzwfrJuJucp0x9w6ITTcL4
Ie7czaOVp2evy1FJ
-----END CERTIFICATE-----
"""
P_256 = """\
-----BEGIN CERTIFICATE-----
MIIBWzCCAQGgAwIBAgIUPI7cwnS6OJfvieFvVgoO6fPdSoAwCgYIKoZIzj0EAwIw
IzEhMB8GA1UEAwwYRXhhbXBsZSBhdXRob3JpdHksIFAtMjU2MB4XDTI2MDEwMTAw
MDAwMFoXDTM1MTIzMDAwMDAwMFowIzEhMB8GA1UEAwwYRXhhbXBsZSBhdXRob3Jp
dHksIFAtMjU2MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHtknKFgXiUi+82LQ
vdPZxwkQ0X3Br9K2mir87gObV+AncjTdDx9t1kD4GEs17nbqbTlOeDqMC4hcsZw1
8JwsAKMTMBEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA+rVs
tU64a5e2raaDv9Yo0lhgWolRAe7mAaWUnI3RomMCIF4x8mwbXzE05BqOTZoNIPA0
Q9nHUQTqcCqadmCjzYhb
-----END CERTIFICATE-----
"""


def program(*, repaired: bool) -> None:
    """Declare the bundle."""
    k8s.core.v1.ConfigMap("trust", metadata=metadata("trust"), data={"ca.crt": P_256 if repaired else RSA_1024})
