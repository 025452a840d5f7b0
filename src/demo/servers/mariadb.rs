//! MariaDB's part: its programs, its system tables, its flags.

use super::{Options, ServerError, system};
use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

pub(super) const PROGRAM: &str = "mariadbd";
pub(super) const SOCKET: &str = "mariadb.sock";

/// Where Debian, Fedora and the upstream packages put it.
const PROGRAM_PATHS: [&str; 4] =
    ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/usr/bin/mariadbd", "/usr/local/sbin/mariadbd"];

/// The system tables' definitions, in the order that `mariadb-install-db` feeds them. Its help
/// tables, spatial procedures and `sys` schema are left out: nothing here asks for them, and they
/// take most of its time.
const SYSTEM_SQL: [&str; 3] =
    ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"];
const SYSTEM_SQL_FOLDERS: [&str; 2] = ["/usr/share/mysql", "/usr/share/mariadb"];

/// `root` has no password and may come over TCP; `reader` is what Amalgam is meant to be given.
const USERS_SQL: &str = "
flush privileges;
create user 'reader'@'%';
grant select, process, replication client, replication slave on *.* to 'reader'@'%';
";

/// Flags of every server. An empty `sql_mode` is what OpenDental works with: it stores zero dates.
const FLAGS: [&str; 16] = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--skip-ssl",
    "--sql-mode=",
    "--default-storage-engine=MyISAM",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--local-infile=1",
    "--performance-schema=off",
    "--key-buffer-size=32M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--myisam-recover-options=BACKUP,FORCE",
    "--max-connections=200",
];

/// Flags of a server whose data need not survive the machine.
const FLAGS_NOT_DURABLE: [&str; 2] = ["--innodb-flush-method=nosync", "--skip-innodb-doublewrite"];

fn program() -> Result<&'static str, ServerError> {
    PROGRAM_PATHS
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or(ServerError::Missing { program: "mariadbd (Debian package mariadb-server-core)" })
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Where temporary tables lie. A server that starts clears its folder of what others left there, so
/// sharing `/tmp` would take the tables of a running one away.
fn temporary(folder: &Path) -> Result<String, ServerError> {
    Ok(format!("--tmpdir={}", system::prepare_folder(&folder.join("tmp"))?.display()))
}

/// Makes the data folder with its system tables and users, unless it is there already.
pub(super) fn create(folder: &Path) -> Result<(), ServerError> {
    // Written last: a data folder whose making was interrupted is made anew.
    let done = folder.join("created");
    if done.exists() {
        return Ok(());
    }
    let sql = system_sql()?;
    let _ = fs::remove_dir_all(data(folder));
    let data = system::prepare_folder(&data(folder))?;
    let mut line = system::unprivileged(vec![program()?.to_owned()]);
    line.extend(
        ["--no-defaults", "--bootstrap", "--log-warnings=0", "--enforce-storage-engine=", "--max-allowed-packet=8M"]
            .map(Into::into),
    );
    line.push(format!("--datadir={}", data.display()));
    line.push(temporary(folder)?);
    line.extend(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=16M"].map(Into::into));
    line.extend(FLAGS_NOT_DURABLE.map(Into::into));
    let mut child = Command::new(&line[0])
        .args(&line[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log")).map_err(ServerError::io("make the log"))?)
        .spawn()
        .map_err(ServerError::io("run mariadbd"))?;
    let mut pipe = child.stdin.take().expect("the standard input was asked for as a pipe");
    let fed = pipe.write_all(sql.as_bytes());
    drop(pipe);
    let status = child.wait().map_err(ServerError::io("wait for mariadbd"))?;
    if fed.is_err() || !status.success() {
        return Err(ServerError::Failed { program: PROGRAM, log: system::log_end(&folder.join("log")) });
    }
    fs::write(done, "").map_err(ServerError::io("note that the data folder is made"))
}

fn system_sql() -> Result<String, ServerError> {
    let folder = SYSTEM_SQL_FOLDERS
        .into_iter()
        .map(Path::new)
        .find(|folder| folder.join(SYSTEM_SQL[0]).exists())
        .ok_or(ServerError::Missing { program: "mysql_system_tables.sql (Debian package mariadb-server-core)" })?;
    // Without a user of the operating system's, root is made to have no password at all.
    let mut sql = "create database if not exists mysql;\nuse mysql;\nset @auth_root_socket=null;\n".to_owned();
    for name in SYSTEM_SQL {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).map_err(ServerError::io(format!("read {}", path.display())))?;
        writeln!(sql, "{text}").expect("writing to a String cannot fail");
    }
    sql.push_str(USERS_SQL);
    Ok(sql)
}

/// The command line of the server.
pub(super) fn command(
    folder: &Path,
    socket_folder: &Path,
    port: u16,
    options: &Options,
) -> Result<Vec<String>, ServerError> {
    let mut line = system::unprivileged(vec![program()?.to_owned(), "--no-defaults".to_owned()]);
    line.push(format!("--datadir={}", data(folder).display()));
    line.push(temporary(folder)?);
    line.push(format!("--socket={}", socket_folder.join(SOCKET).display()));
    line.push(format!("--pid-file={}", folder.join("data").join("mariadb.pid").display()));
    line.push(format!("--port={port}"));
    line.extend(FLAGS.map(Into::into));
    if !options.durable {
        line.extend(FLAGS_NOT_DURABLE.map(Into::into));
    }
    line.extend(options.flags.iter().cloned());
    Ok(line)
}

/// Whether a server greets on the port. MariaDB KB § Initial handshake packet: three bytes of
/// length, one of sequence, then the protocol's version, which is 10 (an error packet has 255).
pub(super) fn answers(port: u16) -> bool {
    let patience = Duration::from_millis(500);
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), patience) else {
        return false;
    };
    let mut start = [0; 5];
    stream.set_read_timeout(Some(patience)).is_ok() && stream.read_exact(&mut start).is_ok() && start[4] == 10
}
