//! `[source.replica]`: a copy of the source, read in its place while it keeps up.

use super::{Problem, Secret, Source, TlsMode, problem::within, tls::check_authority};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the replica is; what is not given is as in `[source]`. There is none where neither host nor port nor
/// socket is given, or the host is empty.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replica {
    /// `mysql://user:password@host:port`; fills what is not given singly. May hold a password.
    pub url: Option<Secret>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// Host name or address.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Unix socket; used instead of host and port where given.
    pub socket: Option<PathBuf>,
    /// User; needs `SELECT`, and to see how replication goes.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// How far TLS is demanded.
    pub tls: Option<TlsMode>,
    /// The authority that signed the server's certificate, in PEM.
    pub tls_ca_file: Option<PathBuf>,
    /// Seconds that it may be behind; else the primary is read.
    pub lag_seconds_max: u64,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            host: None,
            port: None,
            socket: None,
            user: None,
            password: None,
            password_file: None,
            tls: None,
            tls_ca_file: None,
            lag_seconds_max: 30,
        }
    }
}

impl Replica {
    fn is_given(&self) -> bool {
        self.host.as_deref().map_or(self.port.is_some() || self.socket.is_some(), |host| !host.is_empty())
    }

    pub(super) fn check(&self, primary: &Source) -> Vec<Problem> {
        let mut problems = Vec::new();
        within(&mut problems, "source.replica.lag_seconds_max", self.lag_seconds_max, 1..=3600);
        if let Some(port) = self.port {
            within(&mut problems, "source.replica.port", port, 1..=u16::MAX);
        }
        let Some(replica) = primary.of_replica() else {
            let has_more =
                self.user.is_some() || self.password.is_some() || self.tls.is_some() || self.tls_ca_file.is_some();
            if self.host.is_none() && has_more {
                let remedy = "give source.replica.host, or take the section away";
                problems.push(Problem::new("source.replica.host", "is not given", remedy));
            }
            return problems;
        };
        if (&replica.host, replica.port, &replica.socket) == (&primary.host, primary.port, &primary.socket) {
            let remedy = "name the server that replicates from it, or take the section away";
            problems.push(Problem::new("source.replica.host", "names the same server as [source]", remedy));
        }
        if self.tls.is_some() || self.tls_ca_file.is_some() {
            problems.extend(check_authority("source.replica", replica.tls, replica.tls_ca_file.as_deref()));
        }
        problems
    }
}

impl Source {
    /// The replica as a source; `None` where there is none.
    pub fn of_replica(&self) -> Option<Self> {
        let own = &self.replica;
        if !own.is_given() {
            return None;
        }
        // Named by host or port, it is not behind the primary's socket.
        let at = Self { socket: own.socket.clone(), replica: Replica::default(), ..self.clone() };
        Some(Self {
            host: own.host.clone().unwrap_or(at.host),
            port: own.port.unwrap_or(at.port),
            user: own.user.clone().unwrap_or(at.user),
            password: own.password.clone().unwrap_or(at.password),
            tls: own.tls.unwrap_or(at.tls),
            tls_ca_file: own
                .tls_ca_file
                .clone()
                .or(at.tls_ca_file)
                .filter(|_| own.tls.is_none_or(|tls| tls == TlsMode::VerifyFull)),
            ..at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(replica: Replica) -> Source {
        let password = Secret::new("secret");
        Source { host: "a".to_owned(), user: "reader".to_owned(), password, replica, ..Source::default() }
    }

    #[test]
    fn what_is_not_given_is_the_primarys() {
        assert!(primary(Replica::default()).of_replica().is_none());
        // How it is left aside for once: --set source.replica.host=
        assert!(primary(Replica { host: Some(String::new()), ..Replica::default() }).of_replica().is_none());
        let source = Source {
            socket: Some("/run/a.sock".into()),
            ..primary(Replica { host: Some("b".to_owned()), ..Replica::default() })
        };
        let replica = source.of_replica().expect("a host is given");
        assert_eq!((replica.host.as_str(), replica.port, replica.socket), ("b", 3306, None));
        assert_eq!((replica.user.as_str(), replica.password.reveal()), ("reader", "secret"));
    }

    #[test]
    fn a_replica_that_is_no_other_server_is_told() {
        let same = primary(Replica { port: Some(3306), ..Replica::default() });
        assert_eq!(same.replica.check(&same).len(), 1);
        let nowhere = primary(Replica { user: Some("b".to_owned()), ..Replica::default() });
        assert_eq!(nowhere.replica.check(&nowhere).len(), 1);
        let late = primary(Replica { lag_seconds_max: 0, ..Replica::default() });
        assert_eq!(late.replica.check(&late).len(), 1);
        let other = primary(Replica { port: Some(3307), ..Replica::default() });
        assert_eq!(other.replica.check(&other), []);
    }
}
