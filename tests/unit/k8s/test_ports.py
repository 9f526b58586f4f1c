"""Ports and probes, held against what the real servers say of themselves."""

import pytest

from k8s.checks.ports import check_ports, check_probes, check_probing, check_services


@pytest.mark.parametrize("check", [check_services, check_ports, check_probes, check_probing])
@pytest.mark.parametrize("overlay", ["prod", "dev"])
def test_nothing_is_wrong_with_the_real_ones(request, overlay, check):
    assert request.getfixturevalue(overlay).findings(check) == []


def test_a_service_port_that_no_pod_has(prod):
    prod.spec("Service", "monitor")["ports"][0]["targetPort"] = "web"
    (found,) = prod.findings(check_services)
    assert "Service/monitor port 8083: targetPort web is no port of monitor" in found


def test_a_headless_service_cannot_map_ports(prod):
    prod.spec("Service", "torchserve")["ports"][0]["port"] = 80
    (found,) = prod.findings(check_services)
    assert "Service/torchserve port 80: it is headless, and its clients find torchserve on 7070" in found


def test_a_container_port_that_the_program_does_not_listen_on(prod):
    prod.container("gateway")["ports"][0]["containerPort"] = 50052
    (found,) = prod.findings(check_ports)
    assert "Deployment/gateway container gateway port grpc 50052: the program listens on 50051" in found


def test_a_setting_that_moves_the_port_away(prod):
    prod.settings("monitor")["ATTENDANT_MONITOR_PORT"] = "9000"
    (found,) = prod.findings(check_ports)
    assert "container monitor port http 8083: the program listens on 9000" in found


def test_a_port_that_is_not_declared(prod):
    prod.container("torchserve")["ports"] = [
        one for one in prod.container("torchserve")["ports"] if one["name"] != "health"
    ]
    (found,) = prod.findings(check_ports)
    assert "container torchserve: it lacks port health 7072" in found


def test_an_operations_port_that_the_settings_leave_out(dev):
    del dev.settings("gateway")["ATTENDANT_OPERATIONS_PORT"]
    (found,) = dev.findings(check_ports)
    assert "port operations 8001: the program listens on no such port" in found


def test_a_server_that_only_its_own_pod_reaches(prod):
    del prod.settings("gateway")["ATTENDANT_GRPC_HOST"]
    (found,) = prod.findings(check_ports)
    assert "container gateway port grpc: the program listens on 127.0.0.1 alone" in found


def test_one_port_for_two_things(prod):
    prod.container("redis")["ports"].append({"name": "again", "containerPort": 6379})
    found = prod.findings(check_ports)
    assert any("Deployment/redis: port 6379 is there more than once" in one for one in found)


def test_the_port_that_valkey_is_told(prod):
    config = prod.valkey()
    config["valkey.conf"] += "port 6380\n"
    found = prod.findings(check_ports)
    assert "container redis port redis 6379: the program listens on 6380" in found[0]


def test_a_probe_for_a_name_that_the_health_service_does_not_know(dev):
    dev.container("gateway")["livenessProbe"]["grpc"]["service"] = "alive"
    (found,) = dev.findings(check_probes)
    assert "container gateway livenessProbe: grpc.health.v1 knows no service 'alive' there" in found
    assert "'live'" in found


def test_a_probe_of_a_path_that_nothing_answers(prod):
    prod.container("monitor")["readinessProbe"]["httpGet"]["path"] = "/ready"
    (found,) = prod.findings(check_probes)
    assert "nothing answers GET /ready on port http; paths are: /drift, /healthz, /metrics, /readyz" in found


def test_a_probe_of_a_port_that_is_not_there(prod):
    prod.container("redis")["livenessProbe"]["tcpSocket"]["port"] = "valkey"
    (found,) = prod.findings(check_probes)
    assert "container redis livenessProbe: 'valkey' is no port of the container" in found


def test_a_probe_that_runs_a_program(prod):
    prod.container("redis")["livenessProbe"] = {"exec": {"command": ["valkey-cli", "ping"]}}
    (found,) = prod.findings(check_probes)
    assert "container redis livenessProbe: what it runs is compared with nothing here: ask a port" in found


def test_grpc_probes_are_not_for_an_encrypted_port(prod):
    prod.container("gateway")["livenessProbe"] = {"grpc": {"port": 50051, "service": "live"}}
    (found,) = prod.findings(check_probes)
    assert "port grpc is encrypted, and the kubelet knows no TLS for gRPC" in found


def test_plain_http_probes_are_not_for_an_encrypted_port(prod):
    prod.container("gateway")["livenessProbe"] = {"httpGet": {"path": "/healthz", "port": "http"}}
    (found,) = prod.findings(check_probes)
    assert "port http is encrypted: scheme" in found


def test_grpc_probes_need_a_health_service(dev):
    dev.container("torchserve")["startupProbe"]["grpc"]["port"] = 7070
    (found,) = dev.findings(check_probes)
    assert "grpc.health.v1 knows no service '' there; known are: none" in found


@pytest.mark.parametrize("kind", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_missing_probe(prod, kind):
    del prod.container("torchserve")[kind]
    assert any(f"it has no {kind}" in one for one in prod.findings(check_probing))


def test_a_liveness_probe_that_fails_with_others(dev):
    del dev.container("gateway")["livenessProbe"]["grpc"]["service"]
    dev.container("monitor")["livenessProbe"]["httpGet"]["path"] = "/readyz"
    found = dev.findings(check_probing)
    assert len(found) == 2
    assert "it has to ask for `live`" in found[0]
    assert "/readyz fails with others" in found[1]
