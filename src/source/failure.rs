//! From MariaDB's errors to kinds of failure, without values.
//!
//! MariaDB puts values of rows into many messages ("Incorrect datetime value: '…'"). Only messages of
//! codes that speak of names, rights and connections are passed on: MariaDB KB, "MariaDB Error Codes".

use crate::error::{Error, Kind};
use mysql_async::{DriverError, Error as MySqlError, IoError};

/// Makes a failure of what the driver says. `doing` is what was tried, in a few words.
pub(super) fn failure(error: &MySqlError, doing: &str) -> Error {
    match error {
        MySqlError::Server(server) => {
            let kind = kind(server.code);
            if may_be_told(server.code) {
                Error::new(kind, format!("{doing}: {} (error {})", server.message, server.code))
            } else {
                Error::new(
                    kind,
                    format!(
                        "{doing}: the server answered with error {} (its message may hold values and is not shown)",
                        server.code
                    ),
                )
            }
        }
        MySqlError::Io(IoError::Tls(tls)) => Error::new(Kind::SourceTls, format!("{doing}: {tls}")),
        MySqlError::Io(IoError::Io(io)) => {
            let kind = match io.kind() {
                std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::NotFound
                | std::io::ErrorKind::HostUnreachable
                | std::io::ErrorKind::NetworkUnreachable
                | std::io::ErrorKind::TimedOut => Kind::SourceUnreachable,
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => Kind::SourceTls,
                _ if io.to_string().contains("lookup") => Kind::SourceUnreachable,
                _ => Kind::SourceLost,
            };
            Error::new(kind, format!("{doing}: {io}"))
        }
        MySqlError::Driver(driver) => {
            let kind = match driver {
                DriverError::NoClientSslFlagFromServer => Kind::SourceTls,
                DriverError::ConnectionClosed | DriverError::PoolDisconnected | DriverError::PacketOutOfOrder => {
                    Kind::SourceLost
                }
                // These hold values; their texts are not shown.
                DriverError::FromValue { .. } | DriverError::FromRow { .. } => {
                    return Error::new(
                        Kind::Internal,
                        format!("{doing}: a column does not have the type that was expected"),
                    );
                }
                _ => Kind::SourceQuery,
            };
            Error::new(kind, format!("{doing}: {driver}"))
        }
        MySqlError::Url(url) => Error::new(Kind::Config, format!("{doing}: {url}")),
        MySqlError::Other(_) => Error::new(Kind::SourceQuery, format!("{doing}: the driver failed")),
    }
}

fn kind(code: u16) -> Kind {
    match code {
        1045 | 1130 | 1129 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 | 4151 => Kind::SourceAuth,
        3159 => Kind::SourceTls,
        1049 => Kind::SourceDatabaseMissing,
        1044 | 1142 | 1143 | 1227 | 1370 => Kind::SourceDenied,
        1040 | 1203 | 1226 => Kind::SourceFull,
        126 | 127 | 132 | 134 | 144 | 145 | 1034 | 1035 | 1194 | 1195 => Kind::SourceCrashed,
        1104 | 1184 | 1290 => Kind::SourceSetting,
        1969 | 3024 | 1205 => Kind::SourceTimeout,
        1054 | 1146 | 1412 | 1615 => Kind::SourceChanged,
        1053 | 1077 | 1079 | 1152 | 1159 | 1160 | 1161 | 1213 | 1317 | 1927 | 2006 | 2013 => Kind::SourceLost,
        _ => Kind::SourceQuery,
    }
}

/// Messages that hold names of users, tables and columns, or nothing; never a value.
fn may_be_told(code: u16) -> bool {
    !matches!(kind(code), Kind::SourceQuery) || matches!(code, 1016 | 1017 | 1021 | 1030 | 1064 | 1114)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_async::ServerError;

    fn server(code: u16, message: &str) -> MySqlError {
        MySqlError::Server(ServerError { code, message: message.to_owned(), state: "HY000".to_owned() })
    }

    #[test]
    fn a_value_in_a_servers_message_is_not_shown() {
        let error = failure(&server(1292, "Incorrect datetime value: 'Smith' for column `d`.`t`.`c`"), "reading t");
        assert_eq!(error.kind, Kind::SourceQuery);
        assert!(!error.to_string().contains("Smith") && error.to_string().contains("1292"));
    }

    #[test]
    fn a_dropped_table_is_a_change_and_a_slow_statement_a_timeout() {
        assert_eq!(failure(&server(1146, "Table 'd.t' doesn't exist"), "reading").kind, Kind::SourceChanged);
        assert_eq!(failure(&server(1969, "Query execution was interrupted"), "reading").kind, Kind::SourceTimeout);
        assert_eq!(failure(&server(145, "Table './d/t' is marked as crashed"), "reading").kind, Kind::SourceCrashed);
        let aborted = failure(&server(1184, "Aborted connection (init_connect command failed)"), "reading");
        assert!(aborted.kind == Kind::SourceSetting && aborted.to_string().contains("init_connect"));
        assert_eq!(failure(&server(1104, "more than MAX_JOIN_SIZE rows"), "reading").kind, Kind::SourceSetting);
        assert_eq!(failure(&server(1290, "running with the --x option"), "reading").kind, Kind::SourceSetting);
        assert_eq!(failure(&server(1045, "Access denied for user 'u'@'h'"), "connecting").kind, Kind::SourceAuth);
    }
}
