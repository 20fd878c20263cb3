//! The role as which statements of users run: it may SELECT what is published, and call nothing that does more than compute.
//!
//! What keeps users from more than reading, and what each of it is worth:
//!
//! 1. Their text is compiled against the catalog, and written anew. It can be one SELECT over what is published, with
//!    functions of a list; nothing else has a form in which it could reach the server. This is the fence.
//! 2. The role. It is for a statement that the first fence should not have let through: tables of the gateway's own, files,
//!    large objects, advisory locks, other sessions and settings are refused by the server, the function `set_config` too, by
//!    which a SELECT could change its own role. Functions of the server are its superuser's to give: where the gateway is none, an
//!    administrator runs once what the log says.
//! 3. The login. Readers take the role by SET ROLE, and who could send statements of any kind could leave it again: to a
//!    login of the readers' own that is nothing but a member of the role, if there is one, else to the gateway's. So a
//!    login of their own makes the second fence hold for any statement, and not for a SELECT alone.
//! 4. Time limits, and read-only transactions. They are against mistakes and for what runs long: a session may change its own.
//!    Whatever may be sent in NOTIFY is no more than a reason to look.

use crate::{
    database::{Class, Connection, Error},
    error::StoreError,
    sql::text::quoted,
};

/// Roles are of all databases of a server, so the name has that of the database in front.
const SUFFIX: &str = "_query";

/// Longer names are cut by the server, and two would be one.
const LONGEST: usize = 63;

/// Functions of the server that everybody may call, and that do more than compute: they write large objects, hold locks,
/// wait, speak to other sessions, change settings, take a number of a transaction, or run a text.
const ACTING: &str = "^(lo_.*|loread|lowrite|pg_(try_)?advisory_.*|pg_sleep.*|pg_notify|pg_logical_emit_message|pg_export_snapshot|set_config|pg_(terminate|cancel)_backend|txid_current|pg_current_xact_id|(query|cursor|table|schema|database)_to_xml.*|ts_stat|ts_rewrite)$";

/// Whether the role is there; whether it may more than a role of its kind; whether it can be made; whether it can be taken.
const FOUND: &str = "
    SELECT r.oid IS NOT NULL,
        coalesce(r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
            OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid), FALSE),
        me.rolsuper OR me.rolcreaterole,
        coalesce(pg_has_role(r.oid, 'MEMBER'), FALSE),
        me.rolname::text
    FROM pg_roles me LEFT JOIN pg_roles r ON r.rolname = $1::text WHERE me.rolname = current_user";

/// What has to be said so that role `$1` may do what it is to do, and nothing else, as far as that is not so: the statement,
/// whether it is the gateway's to say, and whether it must be said. `$2` are [`ACTING`] functions, which stay the owner's of the database.
const MISSING: &str = r"
    WITH role AS (SELECT oid, rolname AS name FROM pg_roles WHERE rolname = $1::text),
    here AS (SELECT oid, datname AS name, pg_get_userbyid(datdba) AS owner, pg_has_role(datdba, 'USAGE') AS own FROM pg_database WHERE datname = current_database()),
    space AS (SELECT oid, nspname AS name, pg_has_role(nspowner, 'USAGE') AS own FROM pg_namespace WHERE nspname = 'public'),
    relation AS (
        SELECT oid, relname AS name, pg_has_role(relowner, 'USAGE') AS own,
            NOT starts_with(relname, '_') OR relname IN ('_gateway', '_sources', '_layout') AS open
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')),
    acting AS (
        SELECT pg_has_role(p.proowner, 'USAGE') AS own, string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) AS names
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace CROSS JOIN role
        WHERE has_function_privilege(role.oid, p.oid, 'EXECUTE') AND n.nspname <> 'information_schema'
            AND (n.nspname <> 'pg_catalog' OR p.proname ~ $2::text)
        GROUP BY 1),
    language AS (
        SELECT lanname AS name, pg_has_role(lanowner, 'USAGE') AS own FROM pg_language CROSS JOIN role
        WHERE lanispl AND has_language_privilege(role.oid, pg_language.oid, 'USAGE'))
    SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %I; GRANT TEMPORARY ON DATABASE %1$I TO %3$I', here.name, role.name, current_user), own, TRUE
        FROM here, role WHERE has_database_privilege(role.oid, here.oid, 'TEMPORARY')
    UNION ALL SELECT format('REVOKE CREATE ON DATABASE %I FROM PUBLIC, %I', here.name, role.name), own, TRUE
        FROM here, role WHERE has_database_privilege(role.oid, here.oid, 'CREATE')
    UNION ALL SELECT format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I; GRANT CREATE ON SCHEMA %1$I TO %3$I', space.name, role.name, current_user), own, TRUE
        FROM space, role WHERE has_schema_privilege(role.oid, space.oid, 'CREATE')
    UNION ALL SELECT format('GRANT USAGE ON SCHEMA %I TO %I', space.name, role.name), own, TRUE
        FROM space, role WHERE NOT has_schema_privilege(role.oid, space.oid, 'USAGE')
    UNION ALL SELECT format('REVOKE ALL ON TABLE %I FROM PUBLIC, %I', relation.name, role.name), own, TRUE
        FROM relation, role WHERE has_table_privilege(role.oid, relation.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            OR NOT open AND has_table_privilege(role.oid, relation.oid, 'SELECT')
    UNION ALL SELECT format('GRANT SELECT ON TABLE %I TO %I', relation.name, role.name), own, TRUE
        FROM relation, role WHERE open AND NOT has_table_privilege(role.oid, relation.oid, 'SELECT')
    UNION ALL SELECT 'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC', TRUE, TRUE
        WHERE NOT EXISTS (SELECT FROM pg_default_acl
            WHERE defaclrole = current_user::regrole AND defaclnamespace = 0 AND defaclobjtype = 'f')
    UNION ALL SELECT format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I; GRANT EXECUTE ON ROUTINE %1$s TO %3$I, %4$I', names, role.name, current_user, here.owner), acting.own, FALSE
        FROM acting, role, here
    UNION ALL SELECT format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC, %I; GRANT USAGE ON LANGUAGE %1$I TO %3$I, %4$I', language.name, role.name, current_user, here.owner), language.own, FALSE
        FROM language, role, here";

/// What the gateway may not say itself.
#[derive(Debug, Default)]
struct Others {
    must: Vec<String>,
    should: Vec<String>,
}

/// Makes the role, and has it be able to do what it is to do, as far as that is not so. Gives its name, to be quoted. What the
/// gateway may not do is told with what an administrator has to run.
pub(super) async fn prepare(tx: &mut Connection) -> Result<String, StoreError> {
    let failed = StoreError::sql("preparing the role of readers");
    let database: String = tx.query("SELECT current_database()::text").one().await.map_err(&failed)?;
    let role = format!("{database}{SUFFIX}");
    if role.len() > LONGEST {
        let text = format!(
            "queries need a role `{role}`, of more than {LONGEST} bytes: give the database a shorter name"
        );
        return Err(StoreError::Server(text));
    }
    exists(tx, &role).await?;
    let Others { must, should } = confine(tx, &role).await.map_err(&failed)?;
    if !must.is_empty() {
        return Err(administrator("queries would not be able to read alone what they are to", &must));
    }
    if !should.is_empty() {
        let statements = should.join("; ");
        tracing::warn!(
            role,
            statements,
            "readers may call functions that do more than compute: have an administrator run these statements in the database"
        );
    }
    Ok(role)
}

/// Whether the role of readers can be taken on a connection; what is to be done if it cannot.
pub(super) fn taken(role: &str, user: &str, error: Error) -> StoreError {
    if error.class() == Class::Denied {
        let grant = format!("GRANT {} TO {}", quoted(role), quoted(user));
        return administrator("the user of the readers is no member of their role", &[grant]);
    }
    StoreError::sql("taking the role of readers")(error)
}

async fn exists(tx: &mut Connection, role: &str) -> Result<(), StoreError> {
    let failed = StoreError::sql("preparing the role of readers");
    let found = tx.query(FOUND).bind(role).one().await;
    let (exists, mighty, may_make, is_member, user): (bool, bool, bool, bool, String) =
        found.map_err(&failed)?;
    if mighty {
        let text = format!(
            "role `{role}`, as which queries are run, may do more than that: take it out of all others, and its attributes away"
        );
        return Err(StoreError::Server(text));
    }
    let make = format!("CREATE ROLE {} NOLOGIN", quoted(role));
    let take = format!("GRANT {} TO {}", quoted(role), quoted(&user));
    match (exists, may_make, is_member) {
        (true, _, true) => Ok(()),
        (true, _, false) => {
            Err(administrator("the gateway is no member of the role of its readers", &[take]))
        }
        (false, false, _) => Err(administrator("queries need a role that can only read", &[make, take])),
        (false, true, _) => {
            tx.script(make).await.map_err(&failed)?;
            // A superuser is a member of every role, and of its own making not another one.
            let found = tx.query(FOUND).bind(role).one().await;
            let (_, _, _, is_member, _): (bool, bool, bool, bool, String) = found.map_err(&failed)?;
            if is_member { Ok(()) } else { tx.script(take).await.map_err(&failed) }
        }
    }
}

async fn confine(tx: &mut Connection, role: &str) -> Result<Others, Error> {
    let missing: Vec<(String, bool, bool)> = tx.query(MISSING).bind(role).bind(ACTING).all().await?;
    let mut others = Others::default();
    for (statement, own, must) in missing {
        match (own, must) {
            (true, _) => tx.script(statement).await?,
            (false, true) => others.must.push(statement),
            (false, false) => others.should.push(statement),
        }
    }
    Ok(others)
}

fn administrator(reason: &str, statements: &[String]) -> StoreError {
    let statements = statements.join("; ");
    StoreError::Server(format!("{reason}: have an administrator run in its database: {statements}"))
}
