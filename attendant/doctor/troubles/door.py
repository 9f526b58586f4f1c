"""What can be wrong on the way in: the name, the connection, TLS, gRPC, tokens."""

from enum import Enum

from attendant.doctor.troubles.advice import Advice, Check, Status

_FAILED, _WARNING = Status.FAILED, Status.WARNING
_RUNBOOK = "docs/runbook.md#attendant"
_CERTIFICATE = "docs/security.md#encrypt"
_TOKENS = "docs/security.md#ask-for-tokens"


class Door(Enum):
    """From name to access."""

    NAME_UNKNOWN = Advice(
        Check.NAME,
        _FAILED,
        "no host is known by the name",
        "Correct --address (ATTENDANT_ADDRESS). In a cluster the name is gateway.attendant, and a headless Service"
        " has addresses only while pods are ready: `kubectl -n attendant get pods,endpointslices`.",
    )
    NOT_REACHED = Advice(
        Check.CONNECTION,
        _FAILED,
        "no address takes a connection",
        "See that the gateway runs (`kubectl -n attendant get pods`; on one machine `make status`) and listens on"
        " ATTENDANT_GRPC_HOST=0.0.0.0, then what lies between: Service, network policies, port-forward.",
        f"{_RUNBOOK}gatewaydown",
    )
    PARTLY_REACHED = Advice(
        Check.CONNECTION,
        _FAILED,
        "some of several addresses take no connection",
        "Find the pod behind the address: `kubectl -n attendant get pods -o wide`, then `kubectl -n attendant describe"
        " pod` on it. A pod that just ended may still be in DNS for some seconds.",
        f"{_RUNBOOK}gatewaydown",
    )
    TLS_EXPIRED = Advice(
        Check.TLS,
        _FAILED,
        "the certificate has expired",
        "Renew it in the Secret gateway-tls (ATTENDANT_TLS_CERTIFICATE elsewhere); gateways take a new one within"
        " seconds, without a restart. If it has been renewed, this machine's clock is wrong.",
        _CERTIFICATE,
    )
    TLS_EXPIRES_SOON = Advice(
        Check.TLS,
        _WARNING,
        "the certificate expires in less than 14 days",
        "Renew it in the Secret gateway-tls (ATTENDANT_TLS_CERTIFICATE elsewhere), or see why what renews it has not.",
        _CERTIFICATE,
    )
    TLS_NOT_YET = Advice(
        Check.TLS,
        _FAILED,
        "the certificate is not valid yet",
        "Compare this machine's clock with the one that made the certificate: one of the two is wrong.",
        _CERTIFICATE,
    )
    TLS_WRONG_NAME = Advice(
        Check.TLS,
        _FAILED,
        "the certificate is for other names",
        "Ask by a name that it has (--address), or have it made with this one as a subjectAltName.",
        _CERTIFICATE,
    )
    TLS_NOT_TRUSTED = Advice(
        Check.TLS,
        _FAILED,
        "the certificate is of an authority that is not trusted here",
        "Give the right authority with --tls-roots (ATTENDANT_CLIENT_TLS_ROOTS). If the certificate was to be of"
        " that one, see which the Secret gateway-tls holds, and whether the whole chain is in it.",
        _CERTIFICATE,
    )
    TLS_NOT_SPOKEN = Advice(
        Check.TLS,
        _FAILED,
        "what listens there does not speak TLS, or not with us",
        "Ask without --tls if the gateway is to be unencrypted; else set ATTENDANT_TLS_CERTIFICATE and"
        " ATTENDANT_TLS_KEY at the gateway, and see what stands in front of it.",
        _CERTIFICATE,
    )
    TLS_WANTED = Advice(
        Check.TLS,
        _FAILED,
        "it speaks TLS, and was asked without",
        "Ask with TLS, before the command: `attendant --tls-roots ca.pem doctor`, or --tls for the usual authorities.",
        _CERTIFICATE,
    )
    TLS_CLIENT_REFUSED = Advice(
        Check.TLS,
        _FAILED,
        "it asks for a client's certificate and does not take ours, or has none from us",
        "Give --tls-certificate and --tls-key of an authority in ATTENDANT_TLS_CLIENT_ROOTS.",
        _CERTIFICATE,
    )
    NO_HEALTH = Advice(
        Check.HEALTH,
        _FAILED,
        "what listens there does not answer gRPC's health check",
        "Give the address of the gateway's gRPC port (grpc, 50051), not of its HTTP or of TorchServe; if it is,"
        " look at `kubectl -n attendant logs deploy/gateway`.",
        f"{_RUNBOOK}gatewaydown",
    )
    NOT_READY = Advice(
        Check.HEALTH,
        _FAILED,
        "the gateway is not ready, or models do not serve",
        "The workers do not answer the gateway: `kubectl -n attendant logs deploy/torchserve`, and compare"
        " ATTENDANT_TORCHSERVE_ADDRESS with the Service torchserve. A start takes up to a minute.",
        f"{_RUNBOOK}modelnotready",
    )
    TOKEN_MISSING = Advice(
        Check.ACCESS,
        _FAILED,
        "tokens are asked for, and none was given",
        "Give one before the command: `attendant --token-file FILE doctor`, or ATTENDANT_CLIENT_TOKEN.",
        _TOKENS,
    )
    TOKEN_REFUSED = Advice(
        Check.ACCESS,
        _FAILED,
        "the token is wrong, revoked or has expired",
        "`attendant token list --file FILE` shows what the file of the Secret gateway-tokens holds, and until when;"
        " make a new one with `attendant token create`.",
        _TOKENS,
    )
    TOKEN_NOT_ASKED = Advice(
        Check.ACCESS,
        _WARNING,
        "a token was given, but everybody is let in",
        "If tokens are to be asked for, set ATTENDANT_TOKENS at the gateway (the Secret gateway-tokens); else leave"
        " the token out.",
        _TOKENS,
    )
