//! Judges the warehouse. Pure: from facts to findings.

use super::{
    finding::{Findings, bytes},
    source::is_this_machine,
};
use crate::{
    config::{self, Config, TlsMode},
    warehouse::{Preflight, quote},
};

/// The oldest PostgreSQL that its makers still mend.
const VERSION_MIN: i64 = 140_000;
/// Connections of the control plane's own pool.
const CONTROL_CONNECTIONS: i64 = 4;

pub(super) fn judge(facts: &Preflight, config: &Config, into: &mut Findings) {
    let place = &config.warehouse;
    into.ok("reachable", format!("{}:{} database {} as {}", place.host, place.port, facts.database, facts.user));
    version(facts, into);
    tls(facts, place, into);
    rights(facts, config, into);
    settings(facts, into);
    connections(facts, place, into);
}

fn version(facts: &Preflight, into: &mut Findings) {
    let version = format!("PostgreSQL {}", facts.version);
    if facts.version_number < VERSION_MIN {
        into.warn("version", version, "upgrade to PostgreSQL 15 or newer; older ones are not tried");
    } else {
        into.ok("version", version);
    }
    if facts.is_standby {
        into.fail("writable", "this is a standby, which can only be read", "set warehouse.host to the primary");
    } else if facts.is_read_only {
        let remedy = format!("ALTER ROLE {} SET default_transaction_read_only = off", quote(&facts.user));
        into.fail("writable", "transactions of this user are read-only", remedy);
    }
}

fn tls(facts: &Preflight, config: &config::Warehouse, into: &mut Findings) {
    match (&facts.cipher, config.tls) {
        (Some(cipher), TlsMode::Require) => into.warn(
            "encryption",
            format!("{cipher}; whoever answers is believed"),
            "set warehouse.tls to verify-full and warehouse.tls_ca_file to the authority of the server's certificate",
        ),
        (Some(cipher), _) => into.ok("encryption", cipher.clone()),
        (None, _) if is_this_machine(&config.host) => into.ok("encryption", "none, and none is needed on this machine"),
        (None, _) => into.warn(
            "encryption",
            "none: patients' data crosses the network in plain text",
            "enable ssl on PostgreSQL and set warehouse.tls to require or verify-full",
        ),
    }
}

fn rights(facts: &Preflight, config: &Config, into: &mut Findings) {
    let (database, user) = (quote(&facts.database), quote(&facts.user));
    if facts.may_create {
        into.ok("rights", format!("CREATE on {}", facts.database));
    } else {
        let remedy = format!("GRANT CREATE ON DATABASE {database} TO {user}");
        let wanted = [config.warehouse.raw_schema.as_str(), "amalgam"];
        let missing = wanted.iter().any(|name| facts.schemas.iter().all(|schema| schema.name != *name));
        if missing {
            into.fail("rights", format!("no CREATE on {}: the schemas can't be made", facts.database), remedy);
        } else {
            into.warn("rights", format!("no CREATE on {}: no further schema can be made", facts.database), remedy);
        }
    }
    if !facts.may_stage {
        let remedy = format!("GRANT TEMPORARY ON DATABASE {database} TO {user}");
        into.fail("temporary tables", "may not be made; changes are staged in them", remedy);
    }
    for schema in &facts.schemas {
        let name = quote(&schema.name);
        if schema.is_ours && schema.foreign_relations == 0 {
            into.ok("schema", format!("{} is ours", schema.name));
        } else if !schema.is_ours && !schema.may_create {
            let remedy = format!("ALTER SCHEMA {name} OWNER TO {user}");
            into.fail(
                "schema",
                format!("{} belongs to {}, and nothing can be made in it", schema.name, schema.owner),
                remedy,
            );
        } else if schema.foreign_relations > 0 {
            into.warn(
                "schema",
                format!(
                    "{} holds {} tables or views of others, which can't be replaced",
                    schema.name, schema.foreign_relations
                ),
                format!("where one of them should be Amalgam's: ALTER TABLE {name}.… OWNER TO {user}"),
            );
        } else {
            into.ok("schema", format!("{} belongs to {}, and we may create in it", schema.name, schema.owner));
        }
    }
}

fn settings(facts: &Preflight, into: &mut Findings) {
    if facts.encoding == "UTF8" {
        into.ok("encoding", "UTF8");
    } else {
        let remedy = format!(
            "make the warehouse anew: CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0",
            quote(&format!("{}_utf8", facts.database))
        );
        into.fail("encoding", format!("{}: not every text of the source can be stored", facts.encoding), remedy);
    }
    if facts.statement_milliseconds_max > 0 {
        into.warn(
            "statement_timeout",
            format!("{} s: a long load or model is ended", facts.statement_milliseconds_max / 1000),
            format!("ALTER ROLE {} SET statement_timeout = 0", quote(&facts.user)),
        );
    }
    if facts.idle_milliseconds_max > 0 {
        into.warn(
            "idle_in_transaction_session_timeout",
            format!(
                "{} s: a table that waits for the source within a transaction is cut off",
                facts.idle_milliseconds_max / 1000
            ),
            format!("ALTER ROLE {} SET idle_in_transaction_session_timeout = 0", quote(&facts.user)),
        );
    }
    if !facts.is_durable {
        into.warn(
            "durability",
            "fsync or full_page_writes is off: when the machine crashes, the whole warehouse may be lost",
            "ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf()",
        );
    }
    into.ok("size", bytes(facts.database_bytes.unsigned_abs()));
}

fn connections(facts: &Preflight, config: &config::Warehouse, into: &mut Findings) {
    let wanted = i64::try_from(config.connections_max).unwrap_or(i64::MAX).saturating_add(CONTROL_CONNECTIONS);
    let free = facts.connections_max - facts.connections_used;
    let of_user = facts.connections_of_user_max;
    let told = format!("{wanted} wanted at most, {free} of {} free", facts.connections_max);
    if of_user >= 0 && of_user < wanted {
        let remedy = format!("ALTER ROLE {} CONNECTION LIMIT {wanted}", quote(&facts.user));
        into.warn("connections", format!("{wanted} wanted at most, the user may have {of_user}"), remedy);
    } else if wanted > free {
        let remedy = "lower warehouse.connections_max, or raise max_connections on the server";
        into.warn("connections", told, remedy);
    } else {
        into.ok("connections", told);
    }
}
