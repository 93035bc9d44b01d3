"""What a type checker knows of an answer in each branch; `make check` looks. An ignored error that is none is an error too."""

from katha_client import Client, is_conflict, is_failure, is_invalid, mutations


def follow(katha: Client, person: str) -> str:
    """Follow somebody, and say what came of it."""
    answer = katha.write(mutations.follow(person=person, expect={"version": "0"}))
    answer["relationship"]  # type: ignore[typeddict-item]
    if is_conflict(answer):
        return answer["current"]["version"]
    if is_invalid(answer):
        answer["current"]  # type: ignore[typeddict-item]
        return answer["fields"][0]["code"]
    if is_failure(answer):
        return answer["retry"]["kind"]
    answer["code"]  # type: ignore[typeddict-item]
    return answer["applied"]


def by_name(katha: Client, person: str) -> bool:
    """The same by the name of the type."""
    answer = katha.write(mutations.follow(person=person, expect={"version": "0"}))
    return answer["__typename"] == "RelationshipSuccess" and answer["relationship"]["following"]
