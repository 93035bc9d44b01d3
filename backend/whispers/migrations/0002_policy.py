"""The policy's version: one number, which every statement that changes the policy raises."""

from django.db import migrations

CREATE = """
CREATE TABLE whispers_policyversion (number bigint PRIMARY KEY);
INSERT INTO whispers_policyversion VALUES (1);
INSERT INTO whispers_policy (id, most_links) VALUES (1, 3);
CREATE FUNCTION whispers_raise_policy_version() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    UPDATE whispers_policyversion SET number = number + 1;
    RETURN NULL;
END
$body$;
CREATE TRIGGER policy_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON whispers_policy
    FOR EACH STATEMENT EXECUTE FUNCTION whispers_raise_policy_version();
CREATE TRIGGER policy_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON whispers_policyword
    FOR EACH STATEMENT EXECUTE FUNCTION whispers_raise_policy_version();
"""

DROP = """
DROP TRIGGER policy_version ON whispers_policyword;
DROP TRIGGER policy_version ON whispers_policy;
DROP FUNCTION whispers_raise_policy_version();
DROP TABLE whispers_policyversion;
DELETE FROM whispers_policy;
"""


class Migration(migrations.Migration):
    """Adds the number and the triggers, and the policy's one row."""

    dependencies = [("whispers", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
