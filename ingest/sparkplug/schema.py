"""The protobuf messages of Sparkplug B, built from the specification's table of field numbers."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "forewarn.sparkplug"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}

# Message -> field: "type number", `*` repeated, `|` one of the message's values. Section 6.4.1 of the specification;
# what vendors add beyond it is left alone by protobuf itself.
_MESSAGES: dict[str, dict[str, str]] = {
    "Payload": {
        "timestamp": "uint64 1",
        "metrics": "*Metric 2",
        "seq": "uint64 3",
        "uuid": "string 4",
        "body": "bytes 5",
    },
    "Metric": {
        "name": "string 1",
        "alias": "uint64 2",
        "timestamp": "uint64 3",
        "datatype": "uint32 4",
        "is_historical": "bool 5",
        "is_transient": "bool 6",
        "is_null": "bool 7",
        "metadata": "MetaData 8",
        "properties": "PropertySet 9",
        "int_value": "|uint32 10",
        "long_value": "|uint64 11",
        "float_value": "|float 12",
        "double_value": "|double 13",
        "boolean_value": "|bool 14",
        "string_value": "|string 15",
        "bytes_value": "|bytes 16",
        "dataset_value": "|DataSet 17",
        "template_value": "|Template 18",
    },
    "MetaData": {
        "is_multi_part": "bool 1",
        "content_type": "string 2",
        "size": "uint64 3",
        "seq": "uint64 4",
        "file_name": "string 5",
        "file_type": "string 6",
        "md5": "string 7",
        "description": "string 8",
    },
    "PropertySet": {"keys": "*string 1", "values": "*PropertyValue 2"},
    "PropertySetList": {"propertyset": "*PropertySet 1"},
    "PropertyValue": {
        "type": "uint32 1",
        "is_null": "bool 2",
        "int_value": "|uint32 3",
        "long_value": "|uint64 4",
        "float_value": "|float 5",
        "double_value": "|double 6",
        "boolean_value": "|bool 7",
        "string_value": "|string 8",
        "propertyset_value": "|PropertySet 9",
        "propertysets_value": "|PropertySetList 10",
    },
    "DataSet": {"num_of_columns": "uint64 1", "columns": "*string 2", "types": "*uint32 3", "rows": "*Row 4"},
    "Row": {"elements": "*DataSetValue 1"},
    "DataSetValue": {
        "int_value": "|uint32 1",
        "long_value": "|uint64 2",
        "float_value": "|float 3",
        "double_value": "|double 4",
        "boolean_value": "|bool 5",
        "string_value": "|string 6",
    },
    "Template": {
        "version": "string 1",
        "metrics": "*Metric 2",
        "parameters": "*Parameter 3",
        "template_ref": "string 4",
        "is_definition": "bool 5",
    },
    "Parameter": {
        "name": "string 1",
        "type": "uint32 2",
        "int_value": "|uint32 3",
        "long_value": "|uint64 4",
        "float_value": "|float 5",
        "double_value": "|double 6",
        "boolean_value": "|bool 7",
        "string_value": "|string 8",
    },
}


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="forewarn/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        if any(kind.startswith("|") for kind in fields.values()):
            message.oneof_decl.add(name="value")
        for name, kind in fields.items():
            _add_field(message, name, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


def _add_field(message: Any, name: str, kind: str) -> None:
    wanted, _, number = kind.lstrip("*|").partition(" ")
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind.startswith("*"):
        field.label = _Field.LABEL_REPEATED
    elif kind.startswith("|"):
        field.oneof_index = 0
    if wanted in _SCALARS:
        field.type = _SCALARS[wanted]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{wanted}"


_CLASSES = _build()

# Classes made at run time have no static type.
PayloadMessage: Any = _CLASSES["Payload"]
