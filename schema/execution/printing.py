"""SQL expressions that print a value as JSON: each is text, and never NULL unless the value is."""

from backend.pages import NUMBER, By


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def printed(type_name: str, sql: str, owner: str) -> str:
    """The expression that prints a scalar of this type, or a value of an enum. `owner` is the type whose id an ID is, in SQL."""
    match type_name:
        case "String":
            return f"to_json({sql})::text"
        case "Int" | "BigInt" | "Boolean" | "JSON":
            return f"({sql})::text"
        case "ID":
            return f"""'"' || {global_id(owner, sql)} || '"'"""
        case "DateTime":
            return f"""'"' || {moment(sql)} || '"'"""
        case "Date" | "Version":
            return f"""'"' || ({sql})::text || '"'"""
    return f"""'"' || {sql} || '"'"""  # an enum


def printed_list(sql: str) -> str:
    """The expression that prints an array of texts."""
    return f"array_to_json({sql})::text"


def global_id(type_name: str, keys: str) -> str:
    """The expression for a global id, of SQL for its type and its keys; PostgreSQL breaks base64 into lines."""
    return f"translate(encode(convert_to({type_name} || ':' || ({keys}), 'UTF8'), 'base64'), E'\\n', '')"


def moment(sql: str) -> str:
    """The expression for a time as `backend.engine.values.moment` writes it."""
    return f"""to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


def cursor(by: By, tag: bytes, at: str, id_: str) -> str:
    """The expression for a cursor: see `backend.pages.to_cursor`."""
    number = at if by is NUMBER else f"(extract(epoch FROM {at}) * 1000000)::bigint"
    place = f"'\\x{(by.value + tag).hex()}'::bytea || int8send(({number})::bigint) || uuid_send({id_})"
    return f"translate(encode({place}, 'base64'), '+/', '-_')"
