"""Pod Security "restricted", rule by rule as Kubernetes 1.37 has it, and what is asked for here beyond it."""

from collections.abc import Iterator

from k8s.checks.documents import Build, Container, Finding, Json, Workload

VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
SYSCTLS = frozenset(
    {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"}
    | {"net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"}
    | {"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"}
    | {"net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
)
SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
MODES = ("enforce", "audit", "warn")


def check_pod_security(build: Build) -> Iterator[Finding]:
    """Every pod meets the restricted profile, which the namespace enforces."""
    for namespace in build.of("Namespace"):
        for mode in MODES:
            label = f"pod-security.kubernetes.io/{mode}"
            if namespace.labels.get(label) != "restricted":
                yield namespace.find(f"{label} is not restricted")
    for workload in build.workloads:
        yield from (workload.find(problem) for problem in _pod_problems(workload))
        pod = workload.pod.get("securityContext") or {}
        for container in workload.containers:
            yield from (
                workload.find(problem, container)
                for problem in (*_baseline_problems(container), *_restricted_problems(container, pod))
            )


def _pod_problems(workload: Workload) -> Iterator[str]:
    pod = workload.pod
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field}: the pod shares it with its node"
    for name, volume in workload.volumes.items():
        kinds = volume.keys() - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {name} is a {', '.join(sorted(kinds - VOLUMES))}, which restricted does not allow"
    context = pod.get("securityContext") or {}
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']} is not allowed"
    yield from _shared_problems(context)


def _shared_problems(context: Json) -> Iterator[str]:
    """Of a security context, a pod's or a container's."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "windowsOptions.hostProcess is not allowed"
    linux = context.get("seLinuxOptions") or {}
    if linux.get("type", "") not in SELINUX_TYPES or linux.get("user") or linux.get("role"):
        yield "seLinuxOptions: a type of containers, and neither user nor role, are allowed"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "appArmorProfile has to be RuntimeDefault or Localhost"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot must not be false"
    if context.get("runAsUser") == 0:
        yield "runAsUser must not be 0"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "seccompProfile has to be RuntimeDefault or Localhost"


def _baseline_problems(container: Container) -> Iterator[str]:
    context = container.content.get("securityContext") or {}
    if context.get("privileged"):
        yield "privileged is not allowed"
    if context.get("procMount", "Default") != "Default":
        yield "procMount has to be Default"
    for port in container.content.get("ports") or []:
        if port.get("hostPort"):
            yield f"hostPort {port['hostPort']} is not allowed"
    handlers = [probe for _, probe in container.probes()]
    handlers += [
        hook for hook in (container.content.get("lifecycle") or {}).values() if isinstance(hook, dict)
    ]
    for handler in handlers:
        if any(handler.get(kind, {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield "a probe or hook names a host, which is not allowed"
    yield from _shared_problems(context)


def _restricted_problems(container: Container, pod: Json) -> Iterator[str]:
    context = container.content.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation has to be false"
    if not context.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "runAsNonRoot has to be true, for the pod or the container"
    if "seccompProfile" not in context and "seccompProfile" not in pod:
        yield "seccompProfile has to be RuntimeDefault or Localhost, for the pod or the container"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "capabilities: drop has to have ALL"
    added = set(capabilities.get("add") or [])
    if added:
        yield f"capabilities: {', '.join(sorted(added))} must not be added"  # restricted leaves NET_BIND_SERVICE


def check_isolation(build: Build) -> Iterator[Finding]:
    """Read-only roots, no token of the API server, no service links, a ServiceAccount for each workload."""
    users: dict[str, str] = {}
    for workload in build.workloads:
        for container in workload.containers:
            if not (container.content.get("securityContext") or {}).get("readOnlyRootFilesystem"):
                yield workload.find("readOnlyRootFilesystem has to be true", container)
        if workload.pod.get("automountServiceAccountToken") is not False:
            yield workload.find("automountServiceAccountToken has to be false")
        if workload.pod.get("enableServiceLinks") is not False:
            yield workload.find(
                "enableServiceLinks has to be false: they come as variables that settings refuse"
            )
        account = workload.pod.get("serviceAccountName", "default")
        if account == "default":
            yield workload.find("it has no ServiceAccount of its own")
        elif account in users:
            yield workload.find(f"it shares ServiceAccount {account} with {users[account]}")
        users[account] = workload.name
    for account in build.of("ServiceAccount"):
        if account.content.get("automountServiceAccountToken") is not False:
            yield account.find("automountServiceAccountToken has to be false")
