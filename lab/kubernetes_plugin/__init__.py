"""The lab's stand-in for Pulumi's Kubernetes plugin, used only where the official one can't be installed.

It serves the official SDK ``pulumi_kubernetes`` for any kind, by server-side apply without force: one field manager per
resource, previews by dry-run, readiness awaited, refusals shown with their reason, deletes with a deadline. Names,
ids, state and what replaces an object are the official plugin's, so that a program gives the same resources with
either (docs/adr, "A stand-in for the Kubernetes plugin"). Nothing in ``components`` or ``stacks`` knows which runs;
``lab.plugins`` decides.

In: the engine's protocol, the Kubernetes API by plain REST, readiness of the kinds the project uses. Out: functions
(``invoke``), Helm, Kustomize, YAML: the official plugin has them, this one refuses them by name.
"""

PROGRAM = "pulumi-resource-kubernetes"
"""What the engine looks for."""

VERSION = "4.34.2"
"""Of the official SDK that is served; the engine records it."""
