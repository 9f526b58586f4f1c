"""`attendant doctor`: is this deployment well, and if not, what is to be done."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT
from attendant.cli.connection import Address, Json, Security, Timeout
from attendant.cli.console import FAILED, WrongUse, print_json
from attendant.cli.examined import Page, document, is_well
from attendant.doctor.deployment import Deployment, read_endpoint, read_redis, read_url
from attendant.doctor.examination import Examination, Means

Http = Annotated[
    str, typer.Option(metavar="URL", help="Where the gateway's HTTP is. Default: port 8000 of the address.")
]
Operations = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="Where /metrics and /readyz are. Default: what --http says, else port 8001, then 8000.",
    ),
]
Monitor = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="ATTENDANT_MONITOR_ADDRESS",
        show_envvar=True,
        help="Where the monitor's HTTP is.",
    ),
]
# In a pod of the monitor its own setting counts, as it does for the monitor.
RedisUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar=["ATTENDANT_MONITOR_REDIS_URL", "ATTENDANT_REDIS_URL"],
        show_envvar=True,
        help="Redis, as the gateway names it. With a password, better by the variable.",
    ),
]
Model = Annotated[str, typer.Option(help="Only this model. Default: all of them.")]


def doctor(  # noqa: PLR0913 - the command's options
    context: typer.Context,
    *,
    address: Address = DEFAULT_ADDRESS,
    http: Http = "",
    operations: Operations = "",
    monitor: Monitor = "",
    redis: RedisUrl = "",
    model: Model = "",
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: Json = False,
) -> None:
    """Examine a deployment: reachable, ready, right, and what to do about what is not.

    Example: attendant doctor --address gateway.attendant:50051 --redis redis://redis.attendant:6379
    """
    security = context.ensure_object(Security)
    page = Page(quiet=as_json)
    means = Means(installed_version("attendant"))
    try:
        deployment = Deployment(
            read_endpoint(address),
            tls=security.tls,
            token=security.token,
            http=read_url("--http", http),
            operations=read_url("--operations", operations),
            monitor=read_url("--monitor", monitor),
            redis=read_redis(redis),
            model=model,
            seconds=timeout,
        )
        examination = Examination(deployment, means, page.begin)
    except ValueError as error:
        raise WrongUse(str(error)) from error
    with page:
        findings = [page.show(finding) for finding in examination.run()]
    if as_json:
        print_json(document(findings, address, means.version))
    else:
        page.conclude(findings)
    if not is_well(findings):
        raise typer.Exit(FAILED)
