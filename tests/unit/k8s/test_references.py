"""What pods name, mount and read."""

import pytest

from k8s.checks.references import check_commands, check_files, check_mounts, check_references


@pytest.mark.parametrize("check", [check_references, check_mounts, check_files, check_commands])
@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay, check):
    assert list(check(make_build(overlay))) == []


def test_a_config_map_that_is_not_there(dev):
    dev.container("gateway")["envFrom"][0]["configMapRef"]["name"] = "gatewy"
    (found,) = dev.findings(check_references)
    assert "container gateway environment: there is no ConfigMap gatewy" in found


def test_a_secret_that_nobody_is_told_to_make(prod):
    env = prod.container("monitor")["env"]
    next(one for one in env if "valueFrom" in one)["valueFrom"]["secretKeyRef"]["name"] = "redis-password"
    (found,) = prod.findings(check_references)
    assert "there is no Secret redis-password; those made by whoever deploys are gateway-tls" in found


def test_a_key_that_is_not_there(prod):
    env = prod.container("monitor")["env"]
    reference = next(one for one in env if "valueFrom" in one)["valueFrom"]["secretKeyRef"]
    reference["key"] = "uri"
    (found,) = prod.findings(check_references)
    assert "there is no Secret/redis-auth key uri" in found
    reference["optional"] = True
    assert prod.findings(check_references) == []


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"secret": {"secretName": "tls"}}, "volume tmp: there is no Secret tls"),
        ({"configMap": {"name": "more"}}, "volume tmp: there is no ConfigMap more"),
        (
            {"secret": {"secretName": "gateway-tls", "items": [{"key": "tls.pem", "path": "x"}]}},
            "there is no Secret/gateway-tls key tls.pem",
        ),
        ({"projected": {"sources": [{"secret": {"name": "other"}}]}}, "there is no Secret other"),
        ({"persistentVolumeClaim": {"claimName": "models"}}, "there is no PersistentVolumeClaim models"),
    ],
)
def test_a_volume_of_something_that_is_not_there(dev, volume, expected):
    dev.pod("monitor")["volumes"] = [{"name": "tmp", **volume}]
    (found,) = dev.findings(check_references)
    assert expected in found


def test_an_account_or_priority_that_is_not_there(prod):
    prod.pod("monitor")["serviceAccountName"] = "watcher"
    prod.pod("monitor")["priorityClassName"] = "urgent"
    assert [one.partition(": there is no ")[2] for one in prod.findings(check_references)] == [
        "ServiceAccount watcher",
        "PriorityClass urgent",
    ]


def test_priorities_of_the_cluster_are_known(dev):
    dev.pod("monitor")["priorityClassName"] = "system-cluster-critical"
    assert dev.findings(check_references) == []


def test_a_mount_without_its_volume(dev):
    dev.container("monitor")["volumeMounts"].append({"name": "cache", "mountPath": "/cache"})
    (found,) = dev.findings(check_mounts)
    assert "container monitor /cache: there is no volume cache" in found


def test_a_volume_without_a_mount(dev):
    dev.pod("monitor")["volumes"].append({"name": "cache", "emptyDir": {}})
    (found,) = dev.findings(check_mounts)
    assert "Deployment/monitor volume cache: no container mounts it" in found


def test_two_mounts_in_one_place(dev):
    dev.pod("monitor")["volumes"].append({"name": "cache", "emptyDir": {}})
    dev.container("monitor")["volumeMounts"].append({"name": "cache", "mountPath": "/tmp"})
    found = dev.findings(check_mounts)
    assert len(found) == 2
    assert all("something else is mounted there, too" in one for one in found)


def test_a_file_that_is_nowhere(dev):
    dev.set("monitor", "ATTENDANT_MONITOR_MODEL_STORE", "/models")
    (found,) = dev.findings(check_files)
    assert "ATTENDANT_MONITOR_MODEL_STORE: /models: it is neither in the image nor under a mount" in found


def test_a_folder_that_another_image_has(dev):
    dev.set("gateway", "ATTENDANT_MODEL_STORE", "/srv/attendant/archives")
    assert len(dev.findings(check_files)) == 1


def test_what_is_not_said_is_where_the_image_starts(dev):
    del dev.settings("gateway")["ATTENDANT_MODEL_STORE"]
    assert dev.findings(check_files) == []


def test_a_certificate_under_a_name_that_the_secret_does_not_have(prod):
    prod.set("gateway", "ATTENDANT_TLS_CERTIFICATE", "/etc/attendant/tls/tls.pem")
    (found,) = prod.findings(check_files)
    assert "Secret/gateway-tls has no tls.pem; it has: ca.crt, tls.crt, tls.key" in found


def test_a_secret_whose_mount_is_gone(prod):
    container = prod.container("gateway")
    container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] != "tokens"]
    (found,) = prod.findings(check_files)
    assert "ATTENDANT_TOKENS: /etc/attendant/tokens/tokens: it is neither in the image" in found


def test_items_rename_files(prod):
    volume = next(one for one in prod.pod("gateway")["volumes"] if one["name"] == "tokens")
    volume["secret"]["items"] = [{"key": "tokens", "path": "list"}]
    (found,) = prod.findings(check_files)
    assert "Secret/gateway-tokens has no tokens; it has: list" in found


def test_an_empty_folder_over_the_models(dev):
    dev.pod("torchserve")["volumes"].append({"name": "models", "emptyDir": {"sizeLimit": "1Gi"}})
    mount = {"name": "models", "mountPath": "/srv/attendant/archives"}
    dev.container("torchserve")["volumeMounts"].append(mount)
    (found,) = dev.findings(check_files)
    assert "ATTENDANT_TORCHSERVE_ARCHIVES: /srv/attendant/archives: it is under an emptyDir" in found
    dev.pod("torchserve").setdefault("initContainers", []).append(
        {"name": "fill", "image": "attendant-models:0.1.0", "volumeMounts": [mount]}
    )
    assert dev.findings(check_files) == []


def test_a_temporary_folder_that_cannot_be_written(dev):
    dev.set("gateway", "TMPDIR", "/var/tmp")
    dev.container("monitor")["volumeMounts"][0]["readOnly"] = True
    found = dev.findings(check_files)
    assert len(found) == 2
    assert "container gateway TMPDIR: /var/tmp: no emptyDir is mounted there" in found[0]


@pytest.mark.parametrize("module", ["services.gatewy", "service.gateway", "services.gateway.nothing.at.all"])
def test_a_module_that_is_not_there(dev, module):
    dev.container("gateway")["command"] = ["python", "-m", module]
    (found,) = dev.findings(check_commands)
    assert f"container gateway command: there is no module {module}" in found


def test_a_path_that_is_nowhere(dev):
    dev.container("monitor")["args"] = ["--reference", "/srv/attendant/reference"]
    dev.container("redis")["command"] = ["valkey-server", "/etc/valkey/other.conf"]
    found = dev.findings(check_commands)
    assert len(found) == 2
    assert "container monitor command: /srv/attendant/reference: it is neither in the image nor" in found[0]
    assert "container redis command: /etc/valkey/other.conf: ConfigMap/" in found[1]
    assert "has no other.conf; it has: valkey.conf" in found[1]


def test_what_others_images_hold_is_theirs(dev):
    dev.container("redis")["command"] = ["/usr/local/bin/valkey-server", "/etc/valkey/valkey.conf"]
    assert dev.findings(check_commands) == []
