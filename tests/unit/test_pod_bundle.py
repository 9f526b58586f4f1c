"""tests/pod_bundle.py, by which tests/e2e/test_images.py runs the manifests: it leaves nothing out in silence."""

import json
from pathlib import Path

import pytest
import yaml
from pod_bundle import Image, Namespace, NotDoneError, build_config, translate_seccomp

POD = """
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10002
  fsGroup: 10003
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: gateway
    command: [python, -m, services.gateway]
    envFrom:
      - configMapRef: {name: settings}
    env:
      - {name: ONE, value: own}
      - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: token}}}
      - {name: CORES, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: "1"}}}
    resources:
      requests: {cpu: 1500m}
    securityContext:
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: files, mountPath: /files, readOnly: true}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  - name: files
    configMap: {name: settings}
"""
SPEC = {
    "ociVersion": "1.0.0",
    "process": {"capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"]}},
    "mounts": [{"destination": "/proc", "type": "proc"}, {"destination": "/sys/fs/cgroup", "type": "cgroup"}],
    "linux": {"maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]},
}
PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "includes": {}, "excludes": {}},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {
            "names": ["bpf"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
            "excludes": {"caps": ["CAP_SYS_ADMIN"]},
        },
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {"names": ["sync"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["arm64"]}},
    ],
}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """The configuration for POD, once `change` has changed it."""
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps(PROFILE), encoding="utf-8")
    monkeypatch.setattr("pod_bundle.SECCOMP", profile)
    image = Image(tmp_path / "root", {"PATH": "/opt/venv/bin", "ONE": "image"}, ("default",), "/srv")
    namespace = Namespace(
        {"settings": {"ONE": "settings", "TWO": "2"}}, {"keys": {"token": "secret"}}, ("torchserve",)
    )

    def make(change=lambda pod, container: None):
        pod = yaml.safe_load(POD)
        change(pod, pod["containers"][0])
        return build_config(pod, image, namespace, tmp_path, SPEC)

    return make


def test_the_process_is_as_the_pod_says(make):
    process = make()["process"]
    assert process["args"] == ["python", "-m", "services.gateway"]
    assert process["user"] == {"uid": 10001, "gid": 10002, "additionalGids": [10003]}
    assert process["capabilities"] == {"bounding": [], "effective": []}
    assert process["noNewPrivileges"] is True
    assert process["cwd"] == "/srv"


def test_the_environment_is_the_images_then_the_settings_then_the_containers_own(make):
    assert set(make()["process"]["env"]) == {
        "PATH=/opt/venv/bin",
        "HOSTNAME=gateway",
        "ONE=own",
        "TWO=2",
        "TOKEN=secret",
        "CORES=2",
    }


def test_without_a_command_the_image_says_what_runs(make):
    assert make(lambda _, container: container.pop("command"))["process"]["args"] == ["default"]


def test_the_root_and_the_volumes(make, tmp_path):
    config = make()
    assert config["root"] == {"path": str(tmp_path / "root"), "readonly": True}
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert "/sys/fs/cgroup" not in mounts
    assert mounts["/tmp"]["options"] == ["mode=2777", "gid=10003", "size=67108864"]
    assert (Path(mounts["/files"]["source"]) / "TWO").read_text() == "2"
    assert "ro" in mounts["/files"]["options"]
    assert "127.0.0.1 torchserve" in Path(mounts["/etc/hosts"]["source"]).read_text().splitlines()


def set_pod(name, value):
    return lambda pod, _: pod.update({name: value})


def set_security(name, value):
    return lambda _, container: container["securityContext"].update({name: value})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (set_pod("hostNetwork", True), "hostNetwork"),
        (set_pod("initContainers", []), "initContainers"),
        (set_pod("enableServiceLinks", True), "enableServiceLinks"),
        (lambda pod, _: pod.pop("automountServiceAccountToken"), "automountServiceAccountToken"),
        (lambda pod, _: pod["securityContext"].update(sysctls=[]), "sysctls"),
        (lambda pod, _: pod["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda pod, _: pod["volumes"][0].update(emptyDir={"medium": "Memory"}), "medium"),
        (lambda _, container: container.update(tty=True), "tty"),
        (lambda _, container: container["volumeMounts"][0].update(subPath="one"), "subPath"),
        (set_security("privileged", False), "privileged"),
        (set_security("procMount", "Unmasked"), "procMount"),
        (set_security("runAsUser", 0), "runAsUser"),
        (set_security("runAsNonRoot", False), "runAsNonRoot"),
        (set_security("allowPrivilegeEscalation", True), "allowPrivilegeEscalation"),
        (set_security("capabilities", {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}), "capabilities"),
        (set_security("seccompProfile", {"type": "Unconfined"}), "seccompProfile"),
    ],
)
def test_what_is_not_done_is_refused(make, change, named):
    with pytest.raises(NotDoneError, match=named):
        make(change)


@pytest.mark.parametrize(
    ("machine", "names", "architectures"),
    [
        ("x86_64", ["read", "bpf", "arch_prctl", "sync"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]),
        ("aarch64", ["read", "bpf"], ["SCMP_ARCH_AARCH64"]),
    ],
)
def test_of_the_seccomp_profile_the_rules_hold_that_are_for_a_process_without_capabilities(
    machine, names, architectures
):
    translated = translate_seccomp(PROFILE, machine)
    assert [rule["names"] for rule in translated["syscalls"]] == [[name] for name in names]
    assert translated["architectures"] == architectures
    assert (translated["defaultAction"], translated["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    assert translated["syscalls"][1] == {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}


def test_an_unknown_condition_of_a_seccomp_rule_is_refused():
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}
    with pytest.raises(NotDoneError, match="minKernel"):
        translate_seccomp({**PROFILE, "syscalls": [rule]}, "x86_64")
