//! A database's URL, taken apart into the keys of its section.
//!
//! Guarantee: no error quotes any part of the URL; a misplaced character may make anything of it
//! look like anything else. Forms: MySQL 8 reference § 4.2.5 (URI-like strings), PostgreSQL docs
//! § 34.1.1.2 (connection URIs).

use figment::value::{Dict, Value};
use url::Url;

/// Which server a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// `mysql://`, `mariadb://`
    MariaDb,
    /// `postgresql://`, `postgres://`
    Postgres,
}

impl Server {
    fn schemes(self) -> [&'static str; 2] {
        match self {
            Self::MariaDb => ["mysql", "mariadb"],
            Self::Postgres => ["postgresql", "postgres"],
        }
    }
}

/// Takes a URL apart. The error says what is wrong without a word of the URL.
pub(super) fn parse(url: &str, server: Server) -> Result<Dict, &'static str> {
    let rest = after_scheme(url, server)?;
    // An unescaped `/`, `?` or `#` in a password ends the authority early: the rest of the password
    // would pass for the database's name and be shown.
    if rest.find(['/', '?', '#']).is_some_and(|end| rest[end..].contains('@')) {
        return Err(
            "holds an `@` after the host; the characters / ? # @ : % of user and password must be written as %2F %3F %23 %40 %3A %25",
        );
    }
    let url = Url::parse(url).map_err(reason)?;
    let mut parts = Dict::new();
    if let Some(host) = url.host_str().filter(|h| !h.is_empty()) {
        parts.insert("host".to_owned(), decode(host.trim_matches(['[', ']']))?.into());
    }
    if let Some(port) = url.port() {
        parts.insert("port".to_owned(), port.into());
    }
    if !url.username().is_empty() {
        parts.insert("user".to_owned(), decode(url.username())?.into());
    }
    if let Some(password) = url.password() {
        parts.insert("password".to_owned(), decode(password)?.into());
    }
    let database = decode(url.path().trim_start_matches('/'))?;
    if !database.is_empty() {
        parts.insert("database".to_owned(), database.into());
    }
    for (name, value) in url.query_pairs() {
        let (key, value) = parameter(&name, &value, server)?;
        parts.insert(key.to_owned(), value);
    }
    Ok(parts)
}

fn after_scheme(url: &str, server: Server) -> Result<&str, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or(match server {
        Server::MariaDb => "is not a URL; it should look like mysql://user@host:3306/database",
        Server::Postgres => "is not a URL; it should look like postgresql://user@host:5432/database",
    })?;
    if server.schemes().contains(&scheme) {
        return Ok(rest);
    }
    let other = match server {
        Server::MariaDb => Server::Postgres,
        Server::Postgres => Server::MariaDb,
    };
    Err(match (server, other.schemes().contains(&scheme)) {
        (Server::MariaDb, true) => {
            "is a PostgreSQL URL; [source] is the MariaDB that is read, PostgreSQL belongs under [warehouse]"
        }
        (Server::Postgres, true) => {
            "is a MariaDB URL; [warehouse] is the PostgreSQL that is written, MariaDB belongs under [source]"
        }
        (Server::MariaDb, false) => "has the wrong scheme; it should begin with mysql:// or mariadb://",
        (Server::Postgres, false) => "has the wrong scheme; it should begin with postgresql:// or postgres://",
    })
}

fn reason(error: url::ParseError) -> &'static str {
    match error {
        url::ParseError::InvalidPort => {
            "has a port that is no number from 1 to 65535 (or a `:` or `/` in user or password that must be written as %3A or %2F)"
        }
        url::ParseError::EmptyHost => "names no host",
        url::ParseError::InvalidIpv6Address => "has a host that is no IPv6 address",
        _ => {
            "can't be read; the characters / ? # @ : % of user and password must be written as %2F %3F %23 %40 %3A %25"
        }
    }
}

fn parameter(name: &str, value: &str, server: Server) -> Result<(&'static str, Value), &'static str> {
    match (name, server) {
        ("socket", Server::MariaDb) => Ok(("socket", value.into())),
        ("host", Server::Postgres) => Ok(("host", value.into())),
        ("ssl-mode" | "ssl_mode" | "sslmode", _) => Ok(("tls", tls(value)?.into())),
        ("ssl-ca" | "ssl_ca" | "sslrootcert", _) => Ok(("tls_ca_file", value.into())),
        ("connect_timeout" | "connect-timeout", _) => {
            let seconds: u64 = value.parse().map_err(|_| "has a connect_timeout that is no number of seconds")?;
            Ok(("connect_seconds_max", seconds.into()))
        }
        (_, Server::MariaDb) => {
            Err("has a parameter that is not understood; understood are ssl-mode, ssl-ca, socket and connect_timeout")
        }
        (_, Server::Postgres) => {
            Err("has a parameter that is not understood; understood are sslmode, sslrootcert, host and connect_timeout")
        }
    }
}

/// The words of both clients. Those that mean "perhaps" are refused: whether it is encrypted must not
/// depend on who listens on the way.
fn tls(word: &str) -> Result<&'static str, &'static str> {
    match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Ok("disable"),
        "require" | "required" => Ok("require"),
        "verify-full" | "verify-identity" => Ok("verify-full"),
        _ => Err("has a TLS mode other than disable, require and verify-full"),
    }
}

/// Percent-decodes: RFC 3986 § 2.1.
fn decode(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "has a `%` that isn't followed by two hexadecimal digits; a percent sign itself is written %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(WRONG) };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits make a byte"));
    }
    String::from_utf8(bytes).map_err(|_| "has percent-encoded bytes that are no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str, server: Server) -> String {
        let parts = parse(url, server).expect("the URL is good");
        parts.iter().map(|(k, v)| format!("{k}={} ", text(v))).collect::<String>().trim().to_owned()
    }

    fn text(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_u128().expect("text or number").to_string(), str::to_owned)
    }

    #[test]
    fn every_part_finds_its_key() {
        assert_eq!(
            shown("mysql://reader:p%40ss%2Fw%25rd@db.clinic.lan:3307/open%20dental?ssl-mode=REQUIRED", Server::MariaDb),
            "database=open dental host=db.clinic.lan password=p@ss/w%rd port=3307 tls=require user=reader"
        );
        assert_eq!(
            shown("postgres://amalgam@[::1]/analytics?sslmode=verify-full&sslrootcert=/ca.pem", Server::Postgres),
            "database=analytics host=::1 tls=verify-full tls_ca_file=/ca.pem user=amalgam"
        );
    }

    #[test]
    fn sockets_can_be_named() {
        assert_eq!(
            shown("mariadb://root@localhost/od?socket=/run/mysqld/mysqld.sock", Server::MariaDb),
            "database=od host=localhost socket=/run/mysqld/mysqld.sock user=root"
        );
        assert_eq!(
            shown("postgresql://%2Frun%2Fpostgresql/analytics", Server::Postgres),
            "database=analytics host=/run/postgresql"
        );
        assert_eq!(shown("postgresql:///analytics?host=/run/pg", Server::Postgres), "database=analytics host=/run/pg");
    }

    #[test]
    fn what_is_wrong_is_said_without_a_word_of_the_url() {
        let wrong = [
            ("hunter2", Server::MariaDb, "is not a URL"),
            ("http://u:hunter2@h/d", Server::MariaDb, "wrong scheme"),
            ("postgresql://u:hunter2@h/d", Server::MariaDb, "belongs under [warehouse]"),
            ("mysql://u:hunter2@h/d", Server::Postgres, "belongs under [source]"),
            ("mysql://u:hunter2@h:99999/d", Server::MariaDb, "port"),
            ("mysql://u:12/hunter2@h/d", Server::MariaDb, "%2F"),
            ("mysql://u:12?hunter2@h/d", Server::MariaDb, "%3F"),
            ("mysql://u:12#hunter2@h/d", Server::MariaDb, "%23"),
            ("mysql://u:hunter2%zz@h/d", Server::MariaDb, "%25"),
            ("mysql://u@h/d?hunter2=1", Server::MariaDb, "parameter"),
            ("postgres://u@h/d?sslmode=prefer", Server::Postgres, "TLS mode"),
            ("postgres://u:hunter2@h/d?sslmode=hunter2", Server::Postgres, "TLS mode"),
        ];
        for (url, server, expected) in wrong {
            let error = parse(url, server).expect_err("the URL is wrong");
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }

    proptest::proptest! {
        /// Whatever stands unescaped in a password, no part of it is taken for something that is shown.
        #[test]
        fn a_password_never_passes_for_another_part(password in "[ -~é]{0,12}") {
            for (scheme, server) in [("mysql", Server::MariaDb), ("postgresql", Server::Postgres)] {
                if let Ok(parts) = parse(&format!("{scheme}://user:{password}@host:3306/db"), server) {
                    let mut shown: Vec<String> = parts.iter().filter(|(k, _)| *k != "password").map(|(_, v)| text(v)).collect();
                    shown.sort();
                    proptest::prop_assert_eq!(shown, ["3306", "db", "host", "user"]);
                }
            }
        }
    }
}
