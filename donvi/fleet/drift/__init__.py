"""One drift verdict for many stacks, by reading the real systems in bulk instead of refreshing stack by stack.

Goes in: what the stacks' checkpoints say was made, and the real systems' answers to a few large questions. Comes out:
what ``pulumi refresh --preview-only`` would say of each stack, grouped. The rules by which a thing counts as drifted
have one home, the handlers and the Kubernetes plugin; here they are given answers from memory (docs/drift.md).
"""
