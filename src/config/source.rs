//! `[source]`: the practice's database, read and never written.

use super::{
    Problem, Replica, Secret, TlsMode,
    problem::{not_empty, within},
    schedule::zone,
    tls::check_authority,
};
use crate::domain::{
    BadText, QuietHours,
    quiet_hours::{NoWindow, Window},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the practice's database is, and how gently it is read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// `mysql://user:password@host:port/database`; fills what is not given singly. May hold a password.
    pub url: Option<Secret>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; used instead of host and port where given.
    pub socket: Option<PathBuf>,
    /// User; needs `SELECT`, and for InnoDB, a replica or the binary log what the doctor names.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The database.
    pub database: String,
    /// How far TLS is demanded.
    pub tls: TlsMode,
    /// The authority that signed the server's certificate, in PEM; else the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Connections at once, at most.
    pub connections_max: usize,
    /// Seconds until a connection attempt is given up.
    pub connect_seconds_max: u64,
    /// `max_statement_time` of every statement, in seconds.
    pub statement_seconds_max: u64,
    /// Rows that one statement reads at most: a long read of a MyISAM table stops its writers.
    pub range_rows: u64,
    /// Milliseconds that one statement is to take: it asks for fewer rows where the last was slower.
    pub range_milliseconds: u64,
    /// What becomes of texts that PostgreSQL can't hold: NUL, invalid UTF-8.
    pub bad_text: BadText,
    /// Rows that are read in a second at most, by all readers together; 0: as many as come.
    pub rows_per_second_max: u64,
    /// Bytes, likewise.
    pub bytes_per_second_max: u64,
    /// Seconds that one snapshot of an InnoDB table lasts at most; 0: none is taken.
    pub snapshot_seconds_max: u64,
    /// Times of day in which no table is read: `12:00-13:30`, or past midnight, `22:00-02:00`.
    pub(super) quiet_hours: Vec<String>,
    /// IANA name of the zone in which they are meant.
    pub(super) quiet_timezone: Option<String>,
    /// What both of them say; set by [`Source::parse`].
    #[serde(skip)]
    pub(super) quiet: QuietHours,
    /// A copy that is read in its place while it keeps up.
    pub replica: Replica,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            host: "localhost".to_owned(),
            port: 3306,
            socket: None,
            user: String::new(),
            password: Secret::default(),
            password_file: None,
            database: "opendental".to_owned(),
            tls: TlsMode::Disable,
            tls_ca_file: None,
            connections_max: 8,
            connect_seconds_max: 10,
            statement_seconds_max: 60,
            range_rows: 50_000,
            range_milliseconds: 100,
            bad_text: BadText::Replace,
            rows_per_second_max: 0,
            bytes_per_second_max: 0,
            snapshot_seconds_max: 60,
            quiet_hours: Vec::new(),
            quiet_timezone: None,
            quiet: QuietHours::default(),
            replica: Replica::default(),
        }
    }
}

impl Source {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        not_empty(&mut problems, "source.host", &self.host, "give the name or address of MariaDB's server");
        not_empty(&mut problems, "source.database", &self.database, "give the name of OpenDental's database");
        within(&mut problems, "source.port", self.port, 1..=u16::MAX);
        within(&mut problems, "source.connections_max", self.connections_max, 1..=64);
        within(&mut problems, "source.connect_seconds_max", self.connect_seconds_max, 1..=600);
        within(&mut problems, "source.statement_seconds_max", self.statement_seconds_max, 1..=86_400);
        within(&mut problems, "source.range_rows", self.range_rows, 1..=10_000_000);
        within(&mut problems, "source.range_milliseconds", self.range_milliseconds, 1..=60_000);
        within(&mut problems, "source.rows_per_second_max", self.rows_per_second_max, 0..=1 << 40);
        within(&mut problems, "source.bytes_per_second_max", self.bytes_per_second_max, 0..=1 << 40);
        within(&mut problems, "source.snapshot_seconds_max", self.snapshot_seconds_max, 0..=3600);
        problems.extend(check_authority("source", self.tls, self.tls_ca_file.as_deref()));
        problems.extend(self.replica.check(self));
        problems
    }

    /// The quiet hours.
    pub fn quiet(&self) -> &QuietHours {
        &self.quiet
    }

    /// Sets them: windows such as `12:00-13:30`, and the IANA name of their zone.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn keep_quiet(&mut self, hours: &[&str], timezone: &str) -> Result<(), Vec<Problem>> {
        self.quiet_hours = hours.iter().map(|&window| window.to_owned()).collect();
        self.quiet_timezone = Some(timezone.to_owned());
        let problems = self.parse();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Forgets them.
    pub fn ignore_quiet_hours(&mut self) {
        self.quiet_hours.clear();
        self.quiet = QuietHours::default();
    }

    /// Reads what is written in texts, and tells everything that is wrong with it.
    pub(super) fn parse(&mut self) -> Vec<Problem> {
        self.parsed_quiet().map(|quiet| self.quiet = quiet).err().unwrap_or_default()
    }

    fn parsed_quiet(&self) -> Result<QuietHours, Vec<Problem>> {
        let (mut windows, mut problems) = (Vec::new(), Vec::new());
        for text in &self.quiet_hours {
            match text.parse::<Window>() {
                Ok(window) => windows.push(window),
                Err(error) => problems.push(Problem::new(
                    "source.quiet_hours",
                    format!("\"{text}\" {error}"),
                    "write two times of day, such as 12:00-13:30, or 22:00-02:00 for past midnight",
                )),
            }
        }
        let zone = match &self.quiet_timezone {
            Some(name) => zone("source.quiet_timezone", name),
            None if self.quiet_hours.is_empty() => return Ok(QuietHours::default()),
            // No practice has its lunch in UTC: a default would leave the source alone at the wrong hours.
            None => Err(Problem::new(
                "source.quiet_timezone",
                "is not given, but source.quiet_hours is",
                "give the practice's zone by its IANA name, such as America/Chicago",
            )),
        };
        let all_day =
            |error: NoWindow| Problem::new("source.quiet_hours", error.to_string(), "leave some time for reading");
        let quiet = zone.and_then(|zone| QuietHours::new(windows, zone).map_err(all_day));
        quiet.map_err(|problem| problems.push(problem)).ok().filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// Whether enough is given to connect. Apart from [`super::Config::check`]: a command that only
    /// works on models needs no source.
    ///
    /// # Errors
    /// No user is given.
    pub fn require(&self) -> Result<(), super::load::Error> {
        if self.user.is_empty() {
            let remedy = "set source.user (or source.url, DB_USER) to a user with SELECT on the database";
            return Err(super::load::Error::new(vec![Problem::new("source.user", "is not given", remedy)]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_but_names_no_user() {
        assert_eq!(Source::default().check(), []);
        assert!(Source::default().require().is_err());
    }

    #[test]
    fn quiet_hours_are_two_times_of_day_in_a_zone_that_is_named() {
        let told = |hours: &[&str], zone: Option<&str>| {
            let quiet_hours = hours.iter().map(|&h| h.to_owned()).collect();
            let mut source = Source { quiet_hours, quiet_timezone: zone.map(str::to_owned), ..Source::default() };
            let told = |p: Problem| format!("{}: {}; {}", p.key, p.cause, p.remedy);
            source.parse().into_iter().map(told).collect::<Vec<_>>()
        };
        let zone = Some("America/Chicago");
        assert!(told(&["12:00-13:30", "22:00-02:00"], zone).is_empty() && told(&[], None).is_empty());
        let wrong = told(&["noon", "12:00-12:00"], Some("America/Chicgo"));
        let form = "write two times of day, such as 12:00-13:30, or 22:00-02:00 for past midnight";
        assert_eq!(
            wrong,
            [
                format!("source.quiet_hours: \"noon\" is not two times of day; {form}"),
                format!("source.quiet_hours: \"12:00-12:00\" begins and ends at the same time; {form}"),
                "source.quiet_timezone: there is no zone \"America/Chicgo\"; did you mean America/Chicago?".to_owned(),
            ]
        );
        assert!(told(&["12:00-13:00"], None)[0].starts_with("source.quiet_timezone: is not given"));
        assert!(told(&["00:00-13:00", "13:00-24:00"], zone)[0].contains("leave no time of the day"));
        assert!(told(&[], Some("Nowhere"))[0].contains("there is no zone"));
    }

    #[test]
    fn every_wrong_bound_is_told() {
        let source =
            Source { port: 0, connections_max: 0, range_rows: 0, database: String::new(), ..Source::default() };
        let keys: Vec<String> = source.check().into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["source.database", "source.port", "source.connections_max", "source.range_rows"]);
    }
}
