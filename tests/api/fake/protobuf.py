# SPDX-License-Identifier: Apache-2.0
"""Kubernetes objects in protobuf, from the dicts that the fake API server keeps.

    body(server.list_body(SERVICES))    what a list is answered with
    event("ADDED", obj)                 one frame of a watch

Written as the API server's own code does: a text or number that is no pointer there is
written even if it is empty. A member that is in no table is left out; one of a wrong type
is a TypeError, so that a test notices."""

import datetime
import functools
import json
import struct

MAGIC = b"k8s\0"

# message: fields, each a number, a name and a type. Types are string, int, bool, map (of
# strings), time, json, number-or-string, and the messages above. ?: written only where the dict
# has it; *: any number of them.
_TABLES = {
    "ListMeta": "1 selfLink string, 2 resourceVersion string, 3 continue string, 4 remainingItemCount int?",
    "OwnerReference": "1 kind string, 3 name string, 4 uid string, 5 apiVersion string, 6 controller bool?, "
                      "7 blockOwnerDeletion bool?",
    "ManagedFieldsEntry": "1 manager string, 2 operation string, 3 apiVersion string, 4 time time?, "
                          "6 fieldsType string, 7 fieldsV1 json?, 8 subresource string",
    "ObjectMeta": "1 name string, 2 generateName string, 3 namespace string, 4 selfLink string, 5 uid string, "
                  "6 resourceVersion string, 7 generation int, 8 creationTimestamp time, 9 deletionTimestamp time?, "
                  "10 deletionGracePeriodSeconds int?, 11 labels map, 12 annotations map, "
                  "13 ownerReferences OwnerReference*, 14 finalizers string*, 17 managedFields ManagedFieldsEntry*",
    "Condition": "1 type string, 2 status string, 3 observedGeneration int, 4 lastTransitionTime time, "
                 "5 reason string, 6 message string",
    "ObjectReference": "1 kind string, 2 namespace string, 3 name string, 4 uid string, 5 apiVersion string, "
                       "6 resourceVersion string, 7 fieldPath string",
    "StatusCause": "1 reason string, 2 message string, 3 field string",
    "StatusDetails": "1 name string, 2 group string, 3 kind string, 4 causes StatusCause*, 5 retryAfterSeconds int, "
                     "6 uid string",
    "Status": "1 metadata ListMeta, 2 status string, 3 message string, 4 reason string, 5 details StatusDetails?, "
              "6 code int",

    "NamespaceCondition": "1 type string, 2 status string, 4 lastTransitionTime time, 5 reason string, "
                          "6 message string",
    "NamespaceSpec": "1 finalizers string*",
    "NamespaceStatus": "1 phase string, 2 conditions NamespaceCondition*",
    "Namespace": "1 metadata ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus",

    "ServicePort": "1 name string, 2 protocol string, 3 port int, 4 targetPort number-or-string, 5 nodePort int, "
                   "6 appProtocol string?",
    "ClientIPConfig": "1 timeoutSeconds int?",
    "SessionAffinityConfig": "1 clientIP ClientIPConfig?",
    "ServiceSpec": "1 ports ServicePort*, 2 selector map, 3 clusterIP string, 4 type string, 5 externalIPs string*, "
                   "7 sessionAffinity string, 8 loadBalancerIP string, 9 loadBalancerSourceRanges string*, "
                   "10 externalName string, 11 externalTrafficPolicy string, 12 healthCheckNodePort int, "
                   "13 publishNotReadyAddresses bool, 14 sessionAffinityConfig SessionAffinityConfig?, "
                   "17 ipFamilyPolicy string?, 18 clusterIPs string*, 19 ipFamilies string*, "
                   "20 allocateLoadBalancerNodePorts bool?, 21 loadBalancerClass string?, "
                   "22 internalTrafficPolicy string?, 23 trafficDistribution string?",
    "PortStatus": "1 port int, 2 protocol string, 3 error string?",
    "LoadBalancerIngress": "1 ip string, 2 hostname string, 3 ipMode string?, 4 ports PortStatus*",
    "LoadBalancerStatus": "1 ingress LoadBalancerIngress*",
    "ServiceStatus": "1 loadBalancer LoadBalancerStatus, 2 conditions Condition*",
    "Service": "1 metadata ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus",

    "EndpointConditions": "1 ready bool?, 2 serving bool?, 3 terminating bool?",
    "ForZone": "1 name string",
    "ForNode": "1 name string",
    "EndpointHints": "1 forZones ForZone*, 2 forNodes ForNode*",
    "Endpoint": "1 addresses string*, 2 conditions EndpointConditions, 3 hostname string?, "
                "4 targetRef ObjectReference?, 5 deprecatedTopology map, 6 nodeName string?, 7 zone string?, "
                "8 hints EndpointHints?",
    "SlicePort": "1 name string?, 2 protocol string?, 3 port int?, 4 appProtocol string?",
    "EndpointSlice": "1 metadata ObjectMeta, 2 endpoints Endpoint*, 3 ports SlicePort*, 4 addressType string",

    "EndpointAddress": "1 ip string, 2 targetRef ObjectReference?, 3 hostname string, 4 nodeName string?",
    "EndpointPort": "1 name string, 2 port int, 3 protocol string, 4 appProtocol string?",
    "EndpointSubset": "1 addresses EndpointAddress*, 2 notReadyAddresses EndpointAddress*, 3 ports EndpointPort*",
    "Endpoints": "1 metadata ObjectMeta, 2 subsets EndpointSubset*",

    # Of what a Pod runs, only what is no pointer, and the node.
    "PodSpec": "3 restartPolicy string, 6 dnsPolicy string, 8 serviceAccountName string, 9 serviceAccount string, "
               "10 nodeName string, 11 hostNetwork bool, 12 hostPID bool, 13 hostIPC bool, 16 hostname string, "
               "17 subdomain string, 19 schedulerName string, 24 priorityClassName string",
    "PodCondition": "1 type string, 2 status string, 3 lastProbeTime time, 4 lastTransitionTime time, "
                    "5 reason string, 6 message string, 7 observedGeneration int",
    "HostIP": "1 ip string",
    "PodIP": "1 ip string",
    "PodStatus": "1 phase string, 2 conditions PodCondition*, 3 message string, 4 reason string, 5 hostIP string, "
                 "6 podIP string, 7 startTime time?, 9 qosClass string, 11 nominatedNodeName string, "
                 "12 podIPs PodIP*, 14 resize string, 16 hostIPs HostIP*, 17 observedGeneration int",
    "Pod": "1 metadata ObjectMeta, 2 spec PodSpec, 3 status PodStatus",
}
_OBJECTS = {"Namespace": "v1", "Service": "v1", "Endpoints": "v1", "Pod": "v1",
            "EndpointSlice": "discovery.k8s.io/v1"}
_VERSIONS = {"Status": "v1"}
for _kind, _version in _OBJECTS.items():
    _TABLES[_kind + "List"] = f"1 metadata ListMeta, 2 items {_kind}*"
    _VERSIONS[_kind] = _VERSIONS[_kind + "List"] = _version

_FIELDS = {}  # message: its fields, compiled
_BYTE = [bytes([i]) for i in range(256)]


# ---- the wire ----

def varint(number):
    if 0 <= number < 128:
        return _BYTE[number]
    number &= (1 << 64) - 1  # negative ones have ten bytes
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, data):
    """A field of bytes: a text, a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


# ---- one field each: its key, and the value ----

def _is(value, kind, where):
    if type(value) is not kind:  # True is no number
        raise TypeError(f"{where}: {value!r} is no {kind.__name__}")
    return value


def _string(number, where):
    key = varint(number << 3 | 2)

    def encode(value):
        data = _is(value, str, where).encode()
        return key + varint(len(data)) + data
    return encode, encode("")


def _number(kind, number, where):
    key = varint(number << 3)

    def encode(value):
        return key + varint(int(_is(value, kind, where)))
    return encode, encode(kind())


def _map(number, where):
    def encode(value):
        _is(value, dict, where)
        return b"".join(field(number, field(1, _is(k, str, where).encode()) + field(2, _is(value[k], str, where).encode()))
                        for k in sorted(value))
    return encode, b""


@functools.lru_cache
def _seconds(text):
    when = datetime.datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise TypeError(f"{text!r} has no time zone")
    return int(when.timestamp())


def _time(number, where):
    def encode(value):
        return field(number, b"\x08" + varint(_seconds(_is(value, str, where))) + b"\x10\0")
    return encode, field(number, b"")


def _json(number, where):
    def encode(value):
        return field(number, field(1, json.dumps(_is(value, dict, where), separators=(",", ":")).encode()))
    return encode, None


def _number_or_string(number, where):
    def encode(value):
        if type(value) is str:
            return field(number, b"\x08\1\x10\0" + field(3, value.encode()))
        return field(number, b"\x08\0\x10" + varint(_is(value, int, where)) + field(3, b""))
    return encode, encode(0)


_TYPES = {
    "string": _string, "int": functools.partial(_number, int), "bool": functools.partial(_number, bool), "map": _map,
    "time": _time, "json": _json, "number-or-string": _number_or_string,
}


def _message(name, number, where):
    key = varint(number << 3 | 2)

    def encode(value):
        data = message(name, value, where)
        return key + varint(len(data)) + data
    return encode, encode({})


def _repeated(encode, where):
    return lambda value: b"".join([encode(one) for one in _is(value, list, where)])


def _compile(name, table):
    """[(member, how to write it, what is written without it)]"""
    out = []
    for text in table.split(", "):
        number, member, kind = text.split(" ")
        plain, where = kind.rstrip("?*"), f"{name}.{member}"
        make = _TYPES.get(plain) or functools.partial(_message, plain)
        encode, absent = make(int(number), where)
        if kind.endswith("*"):
            encode = _repeated(encode, where)
        out.append((member, encode, absent if kind == plain else b""))
    return out


# ---- what is wanted ----

def message(name, obj, where=""):
    """The bytes of a message by its name in the tables, without an envelope."""
    _is(obj, dict, where or name)
    out = []
    for member, encode, absent in _FIELDS[name]:
        value = obj.get(member)
        out.append(absent if value is None else encode(value))
    return b"".join(out)


for _name, _table in _TABLES.items():
    _FIELDS[_name] = _compile(_name, _table)


def envelope(api_version, kind, raw):
    """Any bytes, said to be of that kind."""
    return MAGIC + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw) + field(3, b"") + \
        field(4, b"")


def body(obj):
    """An object, a list or a Status that tells its kind."""
    kind, api_version = obj["kind"], obj["apiVersion"]
    if _VERSIONS.get(kind) != api_version:
        raise TypeError(f"{kind} of {api_version} has no table")
    return envelope(api_version, kind, message(kind, obj))


def frame(data):
    """The length that goes before each event."""
    return struct.pack(">I", len(data)) + data


def event_of(kind, data):
    """A frame with an object that is written already, envelope and all."""
    return frame(field(1, kind.encode()) + field(2, field(1, data)))


def event(kind, obj):
    return event_of(kind, body(obj))
