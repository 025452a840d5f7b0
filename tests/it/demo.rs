//! `amalgam demo`, the program itself: it comes up, it lives, and it leaves what it was told to leave.

use crate::{
    daemon::get,
    harness::{folder, until},
};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long the demo may take to be up; a loaded machine builds its few reports slowly.
const UP: Duration = Duration::from_secs(120);

/// A demo of the program at `program`, told to be small.
fn demo_of(mut program: Command, flags: &[&str]) -> Command {
    // Demos of several tests look for a free port at once: each finds its own.
    program.args(["--set", "http.listen=127.0.0.1:0", "demo", "--patients", "120", "--rate", "20"]).args(flags);
    program.kill_on_drop(true).stdin(Stdio::null());
    program
}

/// The demo in a folder, run where no models lie.
fn demo(folder: &Path, flags: &[&str]) -> Command {
    let mut command = demo_of(Command::new(env!("CARGO_BIN_EXE_amalgam")), flags);
    command.arg("--folder").arg(folder).current_dir("/");
    command
}

async fn run(mut command: Command) -> Output {
    timeout(UP, command.output()).await.expect("the demo ends").expect("the program can be run")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A demo that is up, and what it said before.
struct Up {
    child: Child,
    lines: Vec<String>,
}

impl Up {
    async fn new(folder: &Path, flags: &[&str]) -> Self {
        let mut child = demo(folder, flags).stdout(Stdio::piped()).spawn().expect("the program can be run");
        let mut reader = BufReader::new(child.stdout.take().expect("the output was asked for as a pipe")).lines();
        let mut lines = Vec::new();
        loop {
            let line = timeout(UP, reader.next_line()).await.expect("the demo comes up").expect("its output is text");
            lines.push(line.expect("the demo goes on"));
            if lines.last().is_some_and(|line| line.contains("the practice lives")) {
                // Kept open: the demo must not see a closed pipe.
                std::mem::forget(reader);
                return Self { child, lines };
            }
        }
    }

    /// What stands behind a word under "Where to look".
    fn place(&self, what: &str) -> &str {
        let mut places = self.lines.iter().skip_while(|line| *line != "Where to look:");
        let found = places.find_map(|line| line.trim_start().strip_prefix(what)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("{what} is not told: {:#?}", self.lines)).trim()
    }

    /// The ports of both servers.
    fn ports(&self) -> Vec<u16> {
        let port = |place: &str, flag: &str| {
            let mut words = place.split(' ').skip_while(|word| *word != flag).skip(1);
            words.next().and_then(|word| word.parse().ok()).expect("a port follows its flag")
        };
        vec![port(self.place("warehouse"), "-p"), port(self.place("practice"), "-P")]
    }

    /// Ends it as Ctrl-C does.
    async fn interrupt(mut self) {
        let process = self.child.id().expect("it runs").to_string();
        Command::new("kill").args(["-INT", &process]).status().await.expect("kill can be run");
        let status = timeout(UP, self.child.wait()).await.expect("the demo ends").expect("a child can be waited for");
        assert!(status.success(), "{status}");
    }
}

/// What a command line as it was printed prints.
async fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).output().await.expect("sh can be run");
    assert!(output.status.success(), "{line}: {}", told(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn until_free(ports: &[u16]) {
    until("nothing listens any more", || async {
        ports.iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_thrown_away_builds_its_reports_and_leaves_nothing() {
    let folder = folder("demo-once");
    let output = run(demo(&folder, &["--once", "--throw-away"])).await;
    let text = told(&output);
    assert!(output.status.success() && text.contains("models built: succeeded"), "{text}");
    assert!(!text.contains(" 0 models built"), "{text}");
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_users_demo_leaves_nothing() {
    let is_root = fs::metadata("/proc/self").expect("Linux tells of this process").uid() == 0;
    if !is_root {
        return; // All other tests are an ordinary user's then.
    }
    // The program and the folder must be within that user's reach, wherever the clone lies.
    let around = folder("demo-ordinary");
    let (program, temporary) = (around.join("amalgam"), around.join("tmp"));
    fs::create_dir_all(&temporary).expect("a temporary folder can be made");
    fs::copy(env!("CARGO_BIN_EXE_amalgam"), &program).expect("the program can be copied");
    for path in [&around, &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is this user's");
    }
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o777)).expect("it is this user's");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    command.env("TMPDIR", &temporary).env("HOME", "/nonexistent").current_dir("/");
    let output = run(demo_of(command, &["--once", "--throw-away"])).await;
    let text = told(&output);
    assert!(output.status.success() && text.contains("models built: succeeded"), "{text}");
    let left: Vec<_> = fs::read_dir(&temporary).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_dir_all(around).expect("the test's own folder can be removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_demo_says_where_to_look_answers() {
    let folder = folder("demo-places");
    let up = Up::new(&folder, &["--throw-away"]).await;
    for (what, path) in [("health", "/healthz"), ("metrics", "/metrics")] {
        let place = up.place(what).strip_prefix("http://").and_then(|place| place.strip_suffix(path));
        let address: SocketAddr = place.and_then(|place| place.parse().ok()).expect("an address is told");
        until(what, || async { get(address, path).await.is_some_and(|(status, _)| status == 200) }).await;
        let config = fs::read_to_string(up.place("configuration")).expect("the configuration is there");
        assert!(config.contains(&format!("listen = \"{address}\"")), "{config}");
    }
    let counted = shell(&format!("{} -Ne 'select count(*) > 0 from patient'", up.place("practice"))).await;
    assert_eq!(counted, "1\n");
    let count = "query_to_xml(format('select count(*) as c from marts.%I', table_name), false, true, '')";
    let filled = format!("(xpath('/row/c/text()', {count}))[1]::text::bigint > 0");
    let query = format!("select table_name, {filled} from information_schema.tables where table_schema = 'marts'");
    let marts = shell(&format!("{} -Atc \"{query} order by 1\"", up.place("warehouse"))).await;
    let marts: Vec<&str> = marts.lines().collect();
    assert!(marts.len() >= 3 && marts.iter().all(|line| line.ends_with("|t")), "every report has rows: {marts:?}");
    assert!(shell(up.place("status")).await.contains("every-minute"));
    assert!(shell(up.place("history")).await.contains("succeeded"));
    assert!(Path::new(up.place("models")).starts_with(&folder), "no models lie where it was run");
    up.interrupt().await;
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_demo_ends_in_order_and_its_practice_is_there_the_next_time() {
    let folder = folder("demo-kept");
    let up = Up::new(&folder, &["--keep"]).await;
    let ports = up.ports();
    up.interrupt().await;
    until_free(&ports).await;
    assert!(folder.join("amalgam.toml").exists());
    let output = run(demo(&folder, &["--once"])).await;
    assert!(output.status.success() && told(&output).contains("from last time"), "{}", told(&output));
    let output = run(demo(&folder, &["--once", "--throw-away"])).await;
    assert_eq!(output.status.code(), Some(2), "what was kept is not thrown away");
    assert!(folder.exists());
    fs::remove_dir_all(folder).expect("a kept folder can be removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_folder_is_not_taken_for_a_demos() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let config = folder.path().join("amalgam.toml");
    fs::write(&config, "[source]\nhost = \"db.clinic.lan\"\n").expect("it can be written");
    let output = run(demo(folder.path(), &["--once"])).await;
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(error, @r"
    error: FOLDER is not empty, and no demo has made it: it is left as it is
    remedy: name a folder that is empty or not there yet: --folder demo-data
    ");
    assert_eq!(fs::read_to_string(&config).expect("it is there"), "[source]\nhost = \"db.clinic.lan\"\n");
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_killed_demo_that_was_to_be_thrown_away() {
    let folder = folder("demo-killed");
    let mut up = Up::new(&folder, &["--throw-away"]).await;
    up.child.kill().await.expect("a child can be killed");
    until_free(&up.ports()).await;
    until("the folder is gone", || async { !folder.exists() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_demo_killed_while_its_servers_are_made() {
    let folder = folder("demo-making");
    let mut child = demo(&folder, &["--throw-away"]).stdout(Stdio::null()).spawn().expect("the program can be run");
    until("data is being made", || async {
        ["practice", "warehouse"].iter().all(|name| folder.join(name).join("data").exists())
    })
    .await;
    child.kill().await.expect("a child can be killed");
    until("the folder is gone", || async { !folder.exists() }).await;
}
