"""Which verbs the command ``donvi`` has.

A verb lives in ``donvi/cli/<verb>.py`` or ``donvi/cli/<noun>/<verb>.py``; it is registered here by one line.
What a verb alone needs (rich, pulumi, the lab) it imports when it runs, so that `donvi units` answers at once.
"""

from __future__ import annotations

import typer

from donvi.cli.account import app as account
from donvi.cli.approve import EPILOG as APPROVE_EPILOG
from donvi.cli.approve import approve
from donvi.cli.audit import EPILOG as AUDIT_EPILOG
from donvi.cli.audit import audit
from donvi.cli.cluster import app as cluster
from donvi.cli.destroy import EPILOG as DESTROY_EPILOG
from donvi.cli.destroy import destroy
from donvi.cli.drift import EPILOG as DRIFT_EPILOG
from donvi.cli.drift import drift
from donvi.cli.kubeconfig import EPILOG as KUBECONFIG_EPILOG
from donvi.cli.kubeconfig import kubeconfig
from donvi.cli.lab import app as lab
from donvi.cli.ledger import app as ledger
from donvi.cli.operator import EPILOG as OPERATOR_EPILOG
from donvi.cli.operator import operator
from donvi.cli.page import EPILOG as PAGE_EPILOG
from donvi.cli.page import page
from donvi.cli.policy import app as policy
from donvi.cli.preview import EPILOG as PREVIEW_EPILOG
from donvi.cli.preview import preview
from donvi.cli.refresh import EPILOG as REFRESH_EPILOG
from donvi.cli.refresh import refresh
from donvi.cli.report import EPILOG as REPORT_EPILOG
from donvi.cli.report import report
from donvi.cli.resume import EPILOG as RESUME_EPILOG
from donvi.cli.resume import resume
from donvi.cli.retention import app as retention
from donvi.cli.runs import EPILOG as RUNS_EPILOG
from donvi.cli.runs import runs
from donvi.cli.show import EPILOG as SHOW_EPILOG
from donvi.cli.show import show
from donvi.cli.units import EPILOG as UNITS_EPILOG
from donvi.cli.units import units
from donvi.cli.unlock import EPILOG as UNLOCK_EPILOG
from donvi.cli.unlock import unlock
from donvi.cli.up import EPILOG as UP_EPILOG
from donvi.cli.up import up
from donvi.cli.verify import EPILOG as VERIFY_EPILOG
from donvi.cli.verify import verify

app = typer.Typer(
    name="donvi",
    help="Đơn vị: what each administrative unit has on the city's shared systems, and whether it works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("units", epilog=UNITS_EPILOG)(units)
app.command("show", epilog=SHOW_EPILOG)(show)
app.command("drift", epilog=DRIFT_EPILOG)(drift)
app.command("kubeconfig", epilog=KUBECONFIG_EPILOG)(kubeconfig)
app.command("operator", epilog=OPERATOR_EPILOG)(operator)
app.command("page", epilog=PAGE_EPILOG)(page)
app.command("unlock", epilog=UNLOCK_EPILOG)(unlock)
app.command("verify", epilog=VERIFY_EPILOG)(verify)
app.command("preview", epilog=PREVIEW_EPILOG)(preview)
app.command("approve", epilog=APPROVE_EPILOG)(approve)
app.command("up", epilog=UP_EPILOG)(up)
app.command("refresh", epilog=REFRESH_EPILOG)(refresh)
app.command("destroy", epilog=DESTROY_EPILOG)(destroy)
app.command("runs", epilog=RUNS_EPILOG)(runs)
app.command("resume", epilog=RESUME_EPILOG)(resume)
app.command("report", epilog=REPORT_EPILOG)(report)
app.command("audit", epilog=AUDIT_EPILOG)(audit)
app.add_typer(account, name="account")
app.add_typer(cluster, name="cluster")
app.add_typer(lab, name="lab")
app.add_typer(ledger, name="ledger")
app.add_typer(policy, name="policy")
app.add_typer(retention, name="retention")
