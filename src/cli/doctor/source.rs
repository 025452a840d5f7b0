//! Judges the source. Pure: from facts to findings.

use super::finding::{Findings, bytes};
use crate::{
    config::{self, TlsMode},
    error::Result,
    source::{Grant, Preflight, Refusal},
};
use std::time::Duration;

/// Rights that a reader does not need.
const WRITING: [&str; 8] = ["ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "CREATE", "SUPER"];

pub(super) fn judge(facts: &Preflight, config: &config::Source, into: &mut Findings) {
    into.ok("reachable", format!("{} as {}", place(config), facts.account));
    version(facts, into);
    tls(facts, config, into);
    rights(facts, config, into);
    tables(facts, config, into);
    transactions(facts, config, into);
    binlog(facts, into);
    settings(facts, config, into);
}

/// Whether the replica would be read now. Where it isn't, the primary is, which is no failure.
pub(super) fn judge_replica(
    looked: Result<Option<(String, std::result::Result<Duration, Refusal>)>>,
    into: &mut Findings,
) {
    match looked {
        Ok(None) => {}
        Ok(Some((place, Ok(lag)))) => {
            into.ok("use", format!("{place} had all that the primary has after {:.3} s", lag.as_secs_f64()));
        }
        Ok(Some((place, Err(refusal)))) => {
            into.warn("use", format!("{place} is not read, the primary is: {refusal}"), refusal.remedy());
        }
        Err(error) => into.failed("use", &error),
    }
}

fn place(config: &config::Source) -> String {
    match &config.socket {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", config.host, config.port),
    }
}

fn version(facts: &Preflight, into: &mut Findings) {
    let mut numbers = facts.version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let name = if facts.is_mariadb { "MariaDB" } else { "MySQL" };
    let shown = if facts.version.contains(name) { facts.version.clone() } else { format!("{name} {}", facts.version) };
    let oldest = if facts.is_mariadb { (10, 2) } else { (5, 7) };
    if version >= oldest {
        into.ok("version", shown);
    } else {
        into.warn(
            "version",
            shown,
            format!("not tried below {name} {}.{}; upgrade, or compare with amalgam verify", oldest.0, oldest.1),
        );
    }
}

fn tls(facts: &Preflight, config: &config::Source, into: &mut Findings) {
    let local = config.socket.is_some() || is_this_machine(&config.host);
    match (&facts.cipher, config.tls) {
        (Some(cipher), TlsMode::Require) => into.warn(
            "encryption",
            format!("{cipher}; whoever answers is believed"),
            "set source.tls to verify-full and source.tls_ca_file to the authority of the server's certificate",
        ),
        (Some(cipher), _) => into.ok("encryption", cipher.clone()),
        (None, _) if local => into.ok("encryption", "none, and none is needed on this machine"),
        (None, _) => into.warn(
            "encryption",
            "none: patients' data crosses the network in plain text",
            "enable TLS on MariaDB and set source.tls to require or verify-full, or read through a private tunnel",
        ),
    }
}

pub(super) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.starts_with('/') || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn rights(facts: &Preflight, config: &config::Source, into: &mut Findings) {
    let database = &config.database;
    let statement = format!("GRANT SELECT ON `{}`.* TO {}", database.replace('`', "``"), account(&facts.account));
    let may = |grant: &Grant, right: &str| grant.privileges.iter().any(|p| p == right || p == "ALL PRIVILEGES");
    let on_all: Vec<&Grant> = facts.grants.iter().filter(|grant| covers(&grant.on, database)).collect();
    let tables: u64 = facts.engines.values().sum();
    if on_all.iter().any(|grant| may(grant, "SELECT")) {
        into.ok("rights", format!("SELECT on {database}"));
    } else if tables > 0 {
        into.warn("rights", format!("SELECT on some tables of {database} only ({tables} are seen)"), statement);
    } else {
        into.fail("rights", format!("no SELECT on {database}"), statement);
        return;
    }
    let more: Vec<&str> = WRITING
        .into_iter()
        .filter(|right| on_all.iter().any(|grant| grant.privileges.iter().any(|p| p == right)))
        .collect();
    if !more.is_empty() {
        into.warn(
            "rights to write",
            format!("the user may do more than read: {}", more.join(", ")),
            format!("Amalgam never writes here, so let it be unable to: CREATE USER 'amalgam_reader'@'%' IDENTIFIED BY '…'; GRANT SELECT ON `{database}`.* TO 'amalgam_reader'@'%'"),
        );
    }
}

/// Whether a grant's scope is the whole database. `\_` is an underscore taken literally.
fn covers(on: &str, database: &str) -> bool {
    let Some(scope) = on.strip_suffix(".*") else { return false };
    let name = scope.trim_matches('`').replace("\\_", "_").replace("\\%", "%").replace("``", "`");
    name == "*" || name == "%" || name.eq_ignore_ascii_case(database)
}

/// `user@host` quoted, for a statement.
pub(super) fn account(account: &str) -> String {
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''"))
}

fn tables(facts: &Preflight, config: &config::Source, into: &mut Findings) {
    let tables: u64 = facts.engines.values().sum();
    if tables == 0 {
        into.fail(
            "tables",
            format!("none in {}", config.database),
            "see that source.database names OpenDental's database; SHOW DATABASES lists what the user may see",
        );
        return;
    }
    let mix: Vec<String> = facts.engines.iter().map(|(engine, count)| format!("{count} {engine}")).collect();
    into.ok("tables", format!("{tables} ({}), {} of data", mix.join(", "), bytes(facts.data_bytes)));
    let locking = facts.engines.get("MyISAM").copied().unwrap_or(0);
    if locking > 0 && config.range_rows > 200_000 {
        into.warn(
            "table locks",
            format!(
                "{locking} tables are MyISAM, where a read holds off every write, and range_rows is {}",
                config.range_rows
            ),
            "set source.range_rows to 50000 or less: the front desk waits for each read",
        );
    } else if locking > 0 {
        into.ok(
            "table locks",
            format!("{locking} tables are MyISAM; they are read {} rows at a time", config.range_rows),
        );
    }
}

/// A row may be stamped long before it can be seen, where there are transactions.
fn transactions(facts: &Preflight, config: &config::Source, into: &mut Findings) {
    let tables = facts.engines.get("InnoDB").copied().unwrap_or(0);
    if tables == 0 {
        return;
    }
    if facts.sees_transactions {
        into.ok("transactions", format!("open ones are seen; a watermark waits for them ({tables} tables are InnoDB)"));
    } else {
        into.warn(
            "transactions",
            format!(
                "open ones are not seen: what {tables} InnoDB tables get from one that lasts longer than sync.overlap_seconds is \
                 found only by a reconciliation"
            ),
            format!("GRANT PROCESS ON *.* TO {}, or raise sync.overlap_seconds", account(&facts.account)),
        );
    }
    if config.snapshot_seconds_max == 0 {
        into.ok("snapshots", "none, as configured: each statement reads what stands then");
    }
}

fn binlog(facts: &Preflight, into: &mut Findings) {
    match (facts.binlog, facts.binlog_format.as_str()) {
        (false, _) => into.ok("binlog", "off; changes are found by reading, which needs no binlog"),
        (true, format) => into.ok("binlog", format!("on, {format}; followed by tables whose mode is stream")),
    }
}

fn settings(facts: &Preflight, config: &config::Source, into: &mut Findings) {
    into.ok("time zone", format!("{} (dates and times without a zone are the clinic's own)", facts.time_zone));
    into.ok("sql_mode", if facts.sql_mode.is_empty() { "none".to_owned() } else { facts.sql_mode.clone() });
    if facts.character_set == "latin1" {
        into.warn(
            "character set",
            "the database's default is latin1: texts stored by clients that wrote UTF-8 into it arrive garbled",
            "compare a name with an accent in OpenDental and in the warehouse",
        );
    } else {
        into.ok("character set", facts.character_set.clone());
    }
    let packet = format!("{} largest row", bytes(facts.packet_bytes_max));
    if facts.packet_bytes_max < 16 << 20 {
        into.warn(
            "max_allowed_packet",
            packet,
            "rows with documents may be larger: SET GLOBAL max_allowed_packet = 67108864",
        );
    } else {
        into.ok("max_allowed_packet", packet);
    }
    let wanted = config.connections_max as u64;
    let of_user = facts.connections_of_user_max;
    let connections = format!("{} on the server, {wanted} of them for us at most", facts.connections_max);
    if of_user > 0 && of_user < wanted {
        let remedy = format!("ALTER USER {} WITH MAX_USER_CONNECTIONS {wanted}", account(&facts.account));
        let told = format!("{wanted} wanted at most, the user may have {of_user}");
        into.warn(
            "connections",
            told,
            format!("{remedy}; or set source.connections_max to {of_user} and sync.parallel_tables below"),
        );
    } else if wanted * 4 > facts.connections_max {
        into.warn("connections", connections, "lower source.connections_max: the practice needs the others");
    } else {
        into.ok("connections", connections);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_its_database_and_no_other() {
        assert!(covers("*.*", "opendental"));
        assert!(covers("`opendental`.*", "opendental"));
        assert!(covers("`open\\_dental`.*", "open_dental"));
        assert!(!covers("`other`.*", "opendental"));
        assert!(!covers("`opendental`.`patient`", "opendental"));
    }

    #[test]
    fn only_loopback_and_sockets_are_this_machine() {
        assert!(["localhost", "127.0.0.1", "::1", "/run/postgresql"].iter().all(|host| is_this_machine(host)));
        assert!(!["db.clinic.lan", "10.0.0.5"].iter().any(|host| is_this_machine(host)));
    }
}
