"""Quantities, and whether there is enough of everything."""

from decimal import Decimal

import pytest

from k8s.checks.quantities import parse_quantity, valkey_bytes
from k8s.checks.resources import check_memory, check_quantities, check_resources


# From the table in k8s.io/apimachinery/pkg/api/resource/quantity_test.go.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("100m", "0.1"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("2", "2"),
        (2, "2"),
        ("128Mi", "134217728"),
        ("1Gi", "1073741824"),
        ("1Ki", "1024"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1E", "1000000000000000000"),
        ("1e3", "1000"),
        ("12E3", "12000"),
        ("3e-1", "0.3"),
        ("500u", "0.0005"),
        ("1n", "0.000000001"),
        ("-1", "-1"),
        ("+5", "5"),
    ],
)
def test_quantities_are_what_kubernetes_makes_of_them(text, expected):
    assert parse_quantity(text) == Decimal(expected)


@pytest.mark.parametrize(
    "text", ["", "1 Gi", "1gi", "1GB", "Mi", "1K", "1mi", "0x10", "1,5", "1e", "--1", True, None, []]
)
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(ValueError, match="is no quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "expected"), [("256mb", 2**28), ("1k", 1000), ("1GB", 2**30), ("77", 77)])
def test_sizes_in_valkeys_configuration(text, expected):
    assert valkey_bytes(text) == expected


@pytest.mark.parametrize("check", [check_quantities, check_resources, check_memory])
@pytest.mark.parametrize("overlay", ["prod", "dev"])
def test_nothing_is_wrong_with_the_real_ones(request, overlay, check):
    assert request.getfixturevalue(overlay).findings(check) == []


def test_a_quantity_that_cannot_be_read(prod):
    prod.container("gateway")["resources"]["requests"]["memory"] = "256MiB"
    (found,) = prod.findings(check_quantities)
    assert "container gateway resources: requests.memory '256MiB' is no positive quantity" in found


def test_nothing_of_something(prod):
    prod.container("gateway")["resources"]["requests"]["cpu"] = "0"
    assert len(prod.findings(check_quantities)) == 1


def test_a_request_beyond_its_limit(prod):
    prod.container("monitor")["resources"] = {
        "requests": {"cpu": "100m", "memory": "1Gi"},
        "limits": {"memory": "512Mi"},
    }
    (found,) = prod.findings(check_quantities)
    assert "requests.memory 1Gi is more than limits.memory 512Mi" in found


def test_a_part_of_a_gpu(prod):
    resources = prod.container("torchserve")["resources"]
    resources["requests"]["nvidia.com/gpu"], resources["limits"]["nvidia.com/gpu"] = "1", "2"
    (found,) = prod.findings(check_quantities)
    assert "nvidia.com/gpu: a request has to be the limit, too" in found


def test_a_folder_and_a_metric_that_cannot_be_read(prod):
    next(one for one in prod.pod("gateway")["volumes"] if "emptyDir" in one)["emptyDir"]["sizeLimit"] = "much"
    metric = prod.spec("HorizontalPodAutoscaler", "torchserve")["metrics"]
    next(one for one in metric if one["type"] == "External")["external"]["target"]["value"] = "half"
    found = prod.findings(check_quantities)
    assert len(found) == 2
    assert "sizeLimit 'much'" in found[0]
    assert "value 'half'" in found[1]


@pytest.mark.parametrize(
    ("group", "name"), [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
)
def test_what_every_container_has_to_say(prod, group, name):
    del prod.container("redis")["resources"][group][name]
    (found,) = prod.findings(check_resources)
    assert f"container redis resources: {group}.{name} is missing" in found


def test_an_empty_folder_without_bounds(prod):
    next(one for one in prod.pod("gateway")["volumes"] if "emptyDir" in one)["emptyDir"] = {}
    (found,) = prod.findings(check_resources)
    assert "emptyDir has no sizeLimit" in found


def test_a_heap_that_does_not_fit(dev):
    dev.settings("torchserve")["ATTENDANT_TORCHSERVE_HEAP_MIB"] = "16384"
    (found,) = dev.findings(check_memory)
    assert "its settings allow 16384Mi" in found


def test_a_valkey_that_does_not_fit(dev):
    config = dev.valkey()
    config["valkey.conf"] = config["valkey.conf"].replace("maxmemory 256mb", "maxmemory 2gb")
    (found,) = dev.findings(check_memory)
    assert (
        "Deployment/redis container redis resources: limits.memory is 512Mi, its settings allow 2048Mi"
        in found
    )


def test_a_folder_in_memory_counts(dev):
    volume = next(one for one in dev.pod("torchserve")["volumes"] if "emptyDir" in one)
    volume["emptyDir"] = {"medium": "Memory", "sizeLimit": "64Gi"}
    (found,) = dev.findings(check_memory)
    assert "folders in memory 65536Mi" in found
