"""What gateways and the core router let pass, as nftables text: pure functions of the frozen descriptions.

Goes in: rendering. Stays out: loading it on a machine, and the proof (``tests/isolation``), whose oracle states on its
own what must be true and may not import this package.

Both families come from one table and are mirrored rule by rule. Nothing passes that no flow of the catalogue names;
what is dropped is counted by reason. The same description gives the same bytes.
"""

from donvi.tenancy.firewall.gateway import gateway_ruleset
from donvi.tenancy.firewall.router import router_base, router_fragment, router_fragment_removal

__all__ = ["gateway_ruleset", "router_base", "router_fragment", "router_fragment_removal"]
