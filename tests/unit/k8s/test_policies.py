"""The evaluator of NetworkPolicies, against cases whose answer Kubernetes' documentation gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s.checks.documents import Document
from k8s.checks.policies import Edge, Endpoint, Port, allows, edges

HTTP, DNS, ODD = Port(80, name="http"), Port(53, "UDP", "dns"), Port(5000, name="odd")
WEB = Endpoint("web", "default", {"app": "web"}, ports=(HTTP, ODD))
API = Endpoint("api", "default", {"app": "api", "role": "backend"}, ports=(HTTP, ODD))
PROD = Endpoint("prod", "prod", {"app": "web"}, {"purpose": "production"}, ports=(HTTP,))
MONITOR = Endpoint("monitor", "other", {"type": "monitoring"}, {"team": "operations"}, ports=(HTTP,))
INTERNET = Endpoint("internet", address="203.0.113.9", ports=(HTTP, DNS))
EVERYBODY = (WEB, API, PROD, MONITOR, INTERNET)


def policy(spec, namespace="default"):
    return Document(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "test", "namespace": namespace},
            "spec": spec,
        }
    )


def who_reaches(target, port, *policies):
    return {one.name for one in EVERYBODY if one is not target and allows(policies, one, target, port)}


def test_without_a_policy_everything_is_open():
    assert who_reaches(WEB, HTTP) == {"api", "prod", "monitor", "internet"}
    assert who_reaches(INTERNET, HTTP) == {"web", "api", "prod", "monitor"}


# The recipes of kubernetes.io/docs/concepts/services-networking/network-policies and of ahmetb's collection.
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"podSelector": {}, "policyTypes": ["Ingress"]}, set(), id="deny all ingress"),
        pytest.param(
            {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
            {"api", "prod", "monitor", "internet"},
            id="allow all ingress",
        ),
        pytest.param(
            {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": []}, set(), id="deny to one app"
        ),
        pytest.param(
            {"podSelector": {"matchLabels": {"app": "api"}}, "ingress": []},
            {"api", "prod", "monitor", "internet"},
            id="another app is not isolated",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "backend"}}}]}],
            },
            {"api"},
            id="limit traffic to an application",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]},
            {"api"},
            id="deny from other namespaces",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]},
            {"api", "prod", "monitor"},
            id="allow from all namespaces",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"purpose": "production"}}}]}],
            },
            {"prod"},
            id="allow from a namespace",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [
                    {
                        "from": [
                            {
                                "namespaceSelector": {"matchLabels": {"team": "operations"}},
                                "podSelector": {"matchLabels": {"type": "monitoring"}},
                            }
                        ]
                    }
                ],
            },
            {"monitor"},
            id="some pods in another namespace",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [
                    {
                        "from": [
                            {"namespaceSelector": {"matchLabels": {"purpose": "production"}}},
                            {"podSelector": {"matchLabels": {"role": "backend"}}},
                        ]
                    }
                ],
            },
            {"prod", "api"},
            id="two peers are alternatives",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [
                    {
                        "from": [
                            {
                                "namespaceSelector": {"matchLabels": {"purpose": "production"}},
                                "podSelector": {"matchLabels": {"role": "backend"}},
                            }
                        ]
                    }
                ],
            },
            set(),
            id="one peer with two selectors needs both",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [
                    {
                        "from": [
                            {
                                "namespaceSelector": {
                                    "matchExpressions": [
                                        {
                                            "key": "kubernetes.io/metadata.name",
                                            "operator": "In",
                                            "values": ["prod"],
                                        }
                                    ]
                                }
                            }
                        ]
                    }
                ],
            },
            {"prod"},
            id="a namespace by its name",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]},
            {"internet"},
            id="a block of addresses",
        ),
        pytest.param(
            {
                "podSelector": {},
                "ingress": [
                    {"from": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/29"]}}]}
                ],
            },
            set(),
            id="but for a part of it",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"ports": [{"port": 5000}]}]}, set(), id="only another port"
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]},
            set(),
            id="only another protocol",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"ports": [{"port": 70, "endPort": 90}]}]},
            {"api", "prod", "monitor", "internet"},
            id="a range of ports",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]},
            {"api", "prod", "monitor", "internet"},
            id="a port by its name",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"ports": [{"port": "odd"}]}]},
            set(),
            id="another port by its name",
        ),
        pytest.param(
            {"podSelector": {}, "ingress": [{"ports": [{"protocol": "TCP"}]}]},
            {"api", "prod", "monitor", "internet"},
            id="every port of a protocol",
        ),
        pytest.param(
            {"podSelector": {}, "policyTypes": ["Egress"]},
            {"prod", "monitor", "internet"},
            id="egress of its namespace",
        ),
        pytest.param(
            {"podSelector": {"matchLabels": {"app": "api"}}, "policyTypes": ["Egress"], "egress": []},
            {"prod", "monitor", "internet"},
            id="egress of one app",
        ),
    ],
)
def test_who_reaches_the_web_application(spec, expected):
    assert who_reaches(WEB, HTTP, policy(spec)) == expected


def test_policies_add_up():
    deny = policy({"podSelector": {}})
    allow = policy(
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}]}]}
    )
    assert who_reaches(WEB, HTTP, deny) == set()
    assert who_reaches(WEB, HTTP, deny, allow) == {"api", "prod", "monitor"}
    assert who_reaches(WEB, ODD, deny, allow) == set()


def test_both_ends_have_to_allow_it():
    out = policy(
        {
            "podSelector": {"matchLabels": {"app": "api"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}],
        }
    )
    into = policy({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]})
    assert allows([out], API, WEB, HTTP)
    assert not allows([out], API, WEB, ODD)
    assert not allows([out], API, INTERNET, HTTP)
    assert not allows([out, into], API, WEB, HTTP)
    assert allows([out, into], WEB, API, HTTP), "the way back is not the answer's"


def test_a_policy_binds_its_own_namespace_alone():
    assert who_reaches(WEB, HTTP, policy({"podSelector": {}}, namespace="prod")) == who_reaches(WEB, HTTP)
    same = policy(
        {"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}
    )
    assert who_reaches(API, HTTP, same) == {"web"}, "prod has the label, and is in another namespace"


def test_egress_rules_alone_make_it_an_egress_policy_too():
    spec = {"podSelector": {}, "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}
    assert allows([policy(spec)], WEB, INTERNET, DNS)
    assert not allows([policy(spec)], WEB, INTERNET, HTTP)
    assert not allows([policy(spec)], INTERNET, WEB, HTTP), (
        "Ingress is always among the types that are not said"
    )


def test_egress_by_name_means_what_the_target_calls_its_port():
    spec = {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [{"port": "dns", "protocol": "UDP"}]}],
    }
    assert allows([policy(spec)], WEB, INTERNET, DNS)
    assert not allows([policy(spec)], WEB, MONITOR, HTTP)


def test_an_operator_that_there_is_not_is_refused():
    spec = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Is", "values": ["web"]}]}}
    with pytest.raises(ValueError, match="'Is' is no operator"):
        allows([policy(spec)], API, WEB, HTTP)


labels = st.dictionaries(
    st.sampled_from(["app", "role", "type"]), st.sampled_from(["web", "api", "monitoring"])
)
selectors = st.fixed_dictionaries({}, optional={"matchLabels": labels})
peers = st.one_of(
    st.fixed_dictionaries({"podSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}, optional={"podSelector": selectors}),
    st.just({"ipBlock": {"cidr": "203.0.113.0/24"}}),
)
ports = st.fixed_dictionaries({"port": st.sampled_from([80, "http", 5000, 53])})
ingress = st.fixed_dictionaries(
    {}, optional={"from": st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)}
)
egress = st.fixed_dictionaries(
    {}, optional={"to": st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)}
)
policies = st.builds(
    lambda selector, types, ingress, egress, namespace: policy(
        {"podSelector": selector, "policyTypes": types, "ingress": ingress, "egress": egress}, namespace
    ),
    selectors,
    st.lists(st.sampled_from(["Ingress", "Egress"]), min_size=1, unique=True),
    st.lists(ingress, max_size=2),
    st.lists(egress, max_size=2),
    st.sampled_from(["default", "prod"]),
)


@given(known=st.lists(policies, max_size=3), which=st.integers(0, 2), rule=ingress)
def test_another_ingress_rule_never_closes_anything(known, which, rule):
    before = set(edges(known, EVERYBODY))
    wider = list(known)
    if which < len(known):
        spec = known[which].spec
        wider[which] = policy(spec | {"ingress": [*spec["ingress"], rule]}, known[which].namespace)
    assert before <= set(edges(wider, EVERYBODY))


@given(known=st.lists(policies, max_size=3))
def test_the_order_of_policies_does_not_matter(known):
    assert set(edges(known, EVERYBODY)) == set(edges(known[::-1], EVERYBODY))


@given(known=st.lists(policies, max_size=3), more=policies)
def test_a_policy_without_rules_opens_nothing(known, more):
    denying = policy(more.spec | {"ingress": [], "egress": []}, more.namespace)
    assert set(edges([*known, denying], EVERYBODY)) <= set(edges(known, EVERYBODY))


def test_edges_name_both_ends_and_the_port():
    found = set(edges([policy({"podSelector": {}})], (API, INTERNET)))
    assert found == {Edge("api", "internet", 80), Edge("api", "internet", 53, "UDP")}
