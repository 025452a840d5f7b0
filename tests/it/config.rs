//! The configuration: where values come from, which stands above which, what is told when it is wrong.

use amalgam::config::{
    Config, Notify, Schedule, TableOverride, TypeRule,
    load::{Error, Loaded, PLAIN_NAMES, Sources, load, load_with_origins},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A folder with files, and the sources that name them.
struct Case {
    directory: TempDir,
    sources: Sources,
}

impl Case {
    fn new(toml: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        let mut case = Self { directory, sources: Sources::default() };
        let file = case.file("amalgam.toml", toml);
        case.sources.files.push(file);
        case
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("the temporary folder can be written");
        path
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, item: &str) -> Self {
        self.sources.overrides.push(item.to_owned());
        self
    }

    fn load(&self) -> Config {
        load(&self.sources).expect("the configuration is sound")
    }

    /// What is told, with the temporary folder left out.
    fn problems(&self) -> String {
        let error: Error = load(&self.sources).expect_err("the configuration is wrong");
        error.to_string().replace(&format!("{}/", self.directory.path().display()), "")
    }
}

#[test]
fn flags_stand_above_prefixed_names_above_plain_names_above_files_above_defaults() {
    let case = Case::new("[source]\nuser = 'file'\nhost = 'file'\ndatabase = 'file'\nport = 1\n")
        .variable("DB_HOST", "plain")
        .variable("DB_NAME", "plain")
        .variable("DB_PORT", "2")
        .variable("AMALGAM_SOURCE__DATABASE", "prefixed")
        .variable("AMALGAM_SOURCE__PORT", "3")
        .flag("source.port=4");
    let source = case.load().source;
    assert_eq!(
        (source.user.as_str(), source.host.as_str(), source.database.as_str(), source.port, source.connections_max),
        ("file", "plain", "prefixed", 4, 8)
    );
}

#[test]
fn a_later_file_stands_above_an_earlier_one() {
    let mut case = Case::new("[source]\nuser = 'a'\nhost = 'a'\n");
    let file = case.file("second.toml", "[source]\nhost = 'b'\n");
    case.sources.files.push(file);
    let source = case.load().source;
    assert_eq!((source.user.as_str(), source.host.as_str()), ("a", "b"));
}

#[test]
fn every_plain_name_sets_its_key() {
    let mut case = Case::new("[source]\nconnections_max = 64\n[warehouse]\nconnections_max = 200\n");
    for (name, _) in PLAIN_NAMES {
        case = case.variable(name, "42");
    }
    let loaded = load_with_origins(&case.sources).expect("the configuration is sound");
    for (name, key) in PLAIN_NAMES {
        let setting = setting(&loaded, key);
        assert_eq!(setting.1, format!("environment variable {name}"), "{key}");
        let shown = if key == "source.password" { "\"********\"" } else { "42" };
        assert_eq!(setting.0.trim_matches('"'), shown.trim_matches('"'), "{key}");
    }
    assert_eq!(loaded.config.source.password.reveal(), "42");
}

#[test]
fn lists_tables_and_variables_come_from_the_environment_too() {
    let config = Case::new("")
        .variable("AMALGAM_SYNC__EXCLUDE", "tmp*, temp*")
        .variable("AMALGAM_TABLES__procNote__MODE", "append")
        .variable("AMALGAM_MODELS__VARS__firstYear", "2020")
        .variable("AMALGAM_SCHEDULE", r#"[{name="a",cron="0 2 * * *"}]"#)
        .load();
    assert_eq!(config.sync.exclude, ["tmp*", "temp*"]);
    assert!(config.tables.contains_key("procNote"));
    assert_eq!(config.models.vars["firstYear"], 2020);
    assert_eq!(config.schedule[0].select, ["*"]);
}

#[test]
fn a_password_that_looks_like_something_else_stays_a_text() {
    for password in ["0123", "true", "[a", "{a=b}", "\"quoted\"", "1e5"] {
        let source = Case::new("").variable("AMALGAM_SOURCE__PASSWORD", password).load().source;
        assert_eq!(source.password.reveal(), password);
    }
}

#[test]
fn a_url_fills_what_is_not_given_singly_beside_it() {
    let toml = "[source]\nurl = 'mysql://reader:p%40ss@db.clinic.lan:3307/od'\nport = 3308\n";
    let source = Case::new(toml).load().source;
    assert_eq!((source.host.as_str(), source.port, source.user.as_str()), ("db.clinic.lan", 3308, "reader"));
    assert_eq!((source.password.reveal(), source.database.as_str()), ("p@ss", "od"));
}

#[test]
fn a_url_of_a_higher_place_stands_above_single_keys_of_a_lower() {
    let case = Case::new("[warehouse]\nhost = 'old'\nport = 1\nuser = 'kept'\n")
        .variable("AMALGAM_WAREHOUSE__URL", "postgresql://new:5433/analytics")
        .variable("AMALGAM_WAREHOUSE__DATABASE", "single");
    let warehouse = case.load().warehouse;
    assert_eq!(
        (warehouse.host.as_str(), warehouse.port, warehouse.user.as_str(), warehouse.database.as_str()),
        ("new", 5433, "kept", "single")
    );
}

#[test]
fn a_host_of_a_higher_place_takes_a_socket_of_a_lower_away() {
    let socket = "[source]\nsocket = '/run/mysqld/mysqld.sock'\n";
    assert!(Case::new(socket).load().source.socket.is_some());
    assert!(Case::new(socket).variable("DB_HOST", "db").load().source.socket.is_none());
    assert!(Case::new(socket).variable("AMALGAM_SOURCE__URL", "mysql://db/od").load().source.socket.is_none());
}

#[test]
fn secrets_come_from_files_without_the_end_of_the_line() {
    let case = Case::new("");
    let password = case.file("password", " with blanks \n");
    let url = case.file("url", "postgresql://u:from-url@h/d\r\n");
    let config = case
        .variable("AMALGAM_SOURCE__PASSWORD_FILE", &password.display().to_string())
        .variable("AMALGAM_WAREHOUSE__URL_FILE", &url.display().to_string())
        .load();
    assert_eq!(config.source.password.reveal(), " with blanks ");
    assert_eq!(config.warehouse.password.reveal(), "from-url");
    assert_eq!(config.warehouse.host, "h");
}

#[test]
fn systemd_credentials_are_used_where_nothing_else_is_given() {
    let mut case = Case::new("[warehouse]\npassword = 'file'\n");
    case.file("source_password", "credential\n");
    case.file("warehouse_password", "credential\n");
    case.file("source_url", "mysql://reader@db/od\n");
    case.sources.credentials = Some(case.directory.path().to_owned());
    let config = case.load();
    assert_eq!(config.source.password.reveal(), "credential");
    assert_eq!(config.source.host, "db");
    assert_eq!(config.warehouse.password.reveal(), "file");
}

#[test]
fn the_secrets_of_notifiers_come_from_files_and_by_their_names_from_credentials() {
    let mut case = Case::new(
        "[[notify]]\nname = 'chat'\nkind = 'slack'\n[[notify]]\nname = 'on-call'\nkind = 'pagerduty'\ntoken = 'own'\n",
    );
    case.file("notify_chat_url", "https://hooks.slack.example/hunter2\n");
    case.file("notify_on-call_token", "another");
    case.file("heartbeat_url", "https://heartbeat.example/hunter2");
    case.sources.credentials = Some(case.directory.path().to_owned());
    let config = case.load();
    assert_eq!(config.notify[0].url.reveal(), "https://hooks.slack.example/hunter2");
    assert_eq!(config.notify[1].token.reveal(), "own");
    assert!(config.heartbeat.address().is_some());
    let shown = serde_json::to_string(&config).expect("it is JSON");
    assert!(!shown.contains("hunter2") && !shown.contains("\"own\""), "{shown}");

    let case = Case::new("");
    let url = case.file("url", "https://hooks.slack.example/hunter2\n");
    let text = format!("[[notify]]\nname = 'chat'\nkind = 'slack'\nurl_file = {url:?}\n");
    assert_eq!(Case::new(&text).load().notify[0].url.reveal(), "https://hooks.slack.example/hunter2");
}

#[test]
fn what_is_wrong_with_a_notifier_is_told_by_place_and_hides_nothing_else() {
    let case = Case::new(
        "[[notify]]\nname = 'a'\nkind = 'slak'\nurl = 'https://x.example'\n\
         [[notify]]\nname = 'b'\nkind = 'email'\nrepeat_hours = 'often'\nhost = 'mail'\nfrom = 'a@b.example'\nhots = 1\n",
    );
    insta::assert_snapshot!(case.problems(), @r#"
    the configuration has 4 problems
    notify.1.hots (amalgam.toml, line 11): there is no such key
      remedy: did you mean notify.1.host?
    notify.0.kind (amalgam.toml, line 3): is "slak"
      remedy: did you mean slack? possible are webhook, slack, pagerduty, alertmanager, email
    notify.1.repeat_hours (amalgam.toml, line 8): is the text "often"
      remedy: give a whole number, without quotes and not below 0
    notify.1.to (amalgam.toml): names nobody
      remedy: write ["office@clinic.example"]
    "#);
}

#[test]
fn unknown_keys_are_told_with_place_and_nearest_key() {
    let case =
        Case::new("[source]\nhots = 'a'\n\n[[schedule]]\nname = 'a'\ncron = '0 2 * * *'\ntimzone = 'UTC'\n\n[sink]\n")
            .variable("AMALGAM_SOURCE_HOST", "db")
            .flag("sync.paralel_tables=3");
    insta::assert_snapshot!(case.problems(), @r#"
    the configuration has 5 problems
    schedule.0.timzone (amalgam.toml, line 7): there is no such key
      remedy: did you mean schedule.0.timezone?
    sink (amalgam.toml, line 9): there is no such key
      remedy: the keys here are source, warehouse, sync, tables, models, schedule, runs, retry, notify, heartbeat, traces, http, log
    source.hots (amalgam.toml, line 2): there is no such key
      remedy: did you mean source.host?
    source_host (environment variable AMALGAM_SOURCE_HOST): there is no such key
      remedy: did you mean AMALGAM_SOURCE__HOST?
    sync.paralel_tables (--set sync.paralel_tables): there is no such key
      remedy: did you mean sync.parallel_tables?
    "#);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let case = Case::new(
        "[source]\nport = 'many'\ntls = 'requird'\nrange_rows = 0\n[sync]\nparallel_tables = 0\n[tables.payment]\nmode = 'merge'\n\
         [[schedule]]\nname = 'a'\ncron = '61 * * * *'\ntimezone = 'Chicago'\n[[schedule]]\nname = 'a'\ncron = '0 2 * * *'\n\
         [http]\nlisten = 'here'\n",
    )
    .variable("ETL_TIMEOUT_MINUTES", "-5")
    .variable("AMALGAM_WAREHOUSE__PORT", "70000");
    insta::assert_snapshot!(case.problems(), @r#"
    the configuration has 11 problems
    http.listen (amalgam.toml, line 17): invalid socket address syntax
      remedy: correct the value
    source.port (amalgam.toml, line 2): is the text "many"
      remedy: give a whole number from 0 to 65535
    source.tls (amalgam.toml, line 3): is "requird"
      remedy: did you mean require? possible are disable, require, verify-full
    sync.timeout_minutes (environment variable ETL_TIMEOUT_MINUTES): is -5
      remedy: give a whole number, without quotes and not below 0
    warehouse.port (environment variable AMALGAM_WAREHOUSE__PORT): is 70000
      remedy: give a whole number from 0 to 65535
    source.range_rows (amalgam.toml, line 4): is 0
      remedy: give a number from 1 to 10000000
    sync.parallel_tables (amalgam.toml, line 6): is 0
      remedy: give a number from 1 to 64
    tables.payment.mode (amalgam.toml, line 8): is merge, but no cursor is given
      remedy: give tables.payment.cursor, a column that is stamped on every edit, such as DateTStamp
    schedule.0.cron (amalgam.toml, line 11): is "61 * * * *": Component error: Number out of bounds.
      remedy: write minute hour day month weekday, such as */5 * * * * for every five minutes
    schedule.0.timezone (amalgam.toml, line 12): there is no zone "Chicago"
      remedy: did you mean America/Chicago?
    schedule.1.name (amalgam.toml, line 14): a schedule "a" stands above already
      remedy: give each schedule a name of its own
    "#);
}

#[test]
fn values_of_a_wrong_type_within_a_schedule_hide_no_other_problem() {
    let case = Case::new(
        "[[schedule]]\nname = 'a'\ncron = '61 * * * *'\ntimezone = 'Chicago'\noverlap = 'skp'\ncatch_up = 2\n\
         [[schedule]]\ncron = 5\nselect = 'payment'\n",
    );
    insta::assert_snapshot!(case.problems(), @r#"
    the configuration has 7 problems
    schedule.0.catch_up (amalgam.toml, line 6): is 2
      remedy: give one of the words that docs/configuration.md lists for it
    schedule.0.overlap (amalgam.toml, line 5): is "skp"
      remedy: did you mean skip? possible are skip, queue
    schedule.1.cron (amalgam.toml, line 8): is 5
      remedy: give a text in quotes
    schedule.1.select (amalgam.toml, line 9): is the text "payment"
      remedy: give a list: ["a", "b"]
    schedule.1.name (amalgam.toml): is not given
      remedy: give it
    schedule.0.cron (amalgam.toml, line 3): is "61 * * * *": Component error: Number out of bounds.
      remedy: write minute hour day month weekday, such as */5 * * * * for every five minutes
    schedule.0.timezone (amalgam.toml, line 4): there is no zone "Chicago"
      remedy: did you mean America/Chicago?
    "#);
}

#[test]
fn no_problem_tells_a_secret() {
    let wrong = [
        "[source]\npassword = 778899",
        "[source]\npassword = ['778899']",
        "[source]\npassword = 778899x",
        "[source]\npassword = '778899",
        "[source]\nurl = 'mysql://u:778899:x@h:port/d'",
        "[source]\nurl = 'mysql://u:a/778899@h/d'",
        "[source]\nurl = 'mysql://u:a?778899@h/d'",
        "[source]\nurl = '778899'",
        "[warehouse]\nurl = 778899",
        "[warehouse]\nurl = 'postgresql://u@h/d?778899=1'",
        "[warehouse]\nurl = 'postgresql://u@h/d?sslmode=778899'",
        "[warehouse]\nurl = 'postgresql://u:778899%@h/d'",
    ];
    for toml in wrong {
        let told = Case::new(toml).problems();
        assert!(!told.contains("778899"), "{toml}\n{told}");
    }
}

#[test]
fn files_that_can_not_be_read_are_told() {
    let mut case = Case::new("[source]\nuser = reader\n[warehouse]\npassword_file = '/nonexistent/password'\n");
    case.sources.files.push("/nonexistent/amalgam.toml".into());
    let file = case.file("secret.toml", "[warehouse]\npassword_file = '/nonexistent/password'\n");
    case.sources.files.push(file);
    insta::assert_snapshot!(case.problems(), @r#"
    the configuration has 3 problems
    amalgam.toml, line 2: is no TOML: invalid string, expected `"`, `'`
      remedy: texts stand in quotes: key = "text"
    /nonexistent/amalgam.toml: can't be read: there is no such file
      remedy: name a file that this user may read, in UTF-8
    warehouse.password_file (secret.toml, line 2): can't read /nonexistent/password: there is no such file
      remedy: name a file that this user may read
    "#);
}

#[test]
fn the_example_loads_as_it_is_and_with_every_comment_taken_away() {
    let example = fs::read_to_string("config/amalgam.toml").expect("the example is part of the repository");
    Case::new(&example).load();
    let everything: String = example
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .filter(|line| {
            !["password_file", "token_file", "url_file", "headers_file", "project_dir"]
                .iter()
                .any(|key| line.contains(key))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Case::new(&everything).load();
    assert_eq!(config.source.host, "db.clinic.lan");
    assert_eq!(config.schedule.len(), 3);
    assert_eq!(config.tables.len(), 1);
}

/// The keys of a section of docs/configuration.md and their defaults, as they stand in its tables.
fn documented() -> BTreeMap<String, String> {
    let page = fs::read_to_string("docs/configuration.md").expect("the page is part of the repository");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let key = cells.next()?.strip_suffix('`')?.to_owned();
        key.contains('.').then(|| (key, cells.next().unwrap_or_default().trim_matches('`').to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn every_key_is_documented_with_its_default() {
    let mut keys = BTreeMap::new();
    collect("", &serde_json::to_value(Config::default()).expect("it is JSON"), &mut keys);
    keys.remove("tables");
    keys.remove("schedule");
    keys.remove("notify");
    keys.remove("sync.types");
    collect("sync.types[]", &serde_json::to_value(TypeRule::default()).expect("it is JSON"), &mut keys);
    keys.insert("sync.types[].columns".to_owned(), "required".to_owned());
    keys.insert("sync.types[].as".to_owned(), "required".to_owned());
    collect("tables.<name>", &serde_json::to_value(TableOverride::default()).expect("it is JSON"), &mut keys);
    collect("schedule[]", &serde_json::to_value(Schedule::default()).expect("it is JSON"), &mut keys);
    keys.insert("schedule[].name".to_owned(), "required".to_owned());
    collect("notify[]", &serde_json::to_value(Notify::default()).expect("it is JSON"), &mut keys);
    for key in ["name", "kind"] {
        keys.insert(format!("notify[].{key}"), "required".to_owned());
    }
    assert_eq!(documented(), keys);
}

fn collect(path: &str, value: &Value, keys: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, below) in fields {
                collect(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, below, keys);
            }
        }
        Value::Null => drop(keys.insert(path.to_owned(), "none".to_owned())),
        other => drop(keys.insert(path.to_owned(), other.to_string())),
    }
}

fn setting(loaded: &Loaded, key: &str) -> (String, String) {
    let setting = loaded.settings().into_iter().find(|s| s.key == key).expect("the key exists");
    (setting.value.to_string(), setting.origin)
}

/// Runs the program with nothing of this process's environment.
fn amalgam(directory: &TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amalgam"))
        .args(arguments)
        .env_clear()
        .current_dir(directory.path())
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8")
}

#[test]
fn a_wrong_configuration_ends_a_command_with_status_2() {
    let case = Case::new("[source]\nhots = 'db'\n");
    for command in [&["config", "check"][..], &["config", "show"], &["serve"], &["plan"], &["sync"], &["doctor"]] {
        let arguments: Vec<&str> = command.iter().copied().chain(["--config", "amalgam.toml"]).collect();
        let output = amalgam(&case.directory, &arguments);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert_eq!(
            text(&output.stderr),
            "error: the configuration has a problem\n\
             source.hots (amalgam.toml, line 2): there is no such key\n  remedy: did you mean source.host?\n"
        );
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn wrong_usage_ends_with_status_2() {
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(amalgam(&directory, &["plam"]).status.code(), Some(2));
    assert_eq!(amalgam(&directory, &["plan", "--frmat", "json"]).status.code(), Some(2));
    assert_eq!(amalgam(&directory, &["--version"]).status.code(), Some(0));
}

#[test]
fn no_user_for_the_source_is_told_by_what_needs_it() {
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let output = amalgam(&directory, &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("source.user: is not given"));
    assert_eq!(amalgam(&directory, &["config", "show"]).status.code(), Some(0));
}

#[test]
fn a_sound_configuration_is_said_to_be_sound() {
    let case = Case::new("[source]\nuser = 'reader'\n");
    let output = amalgam(&case.directory, &["config", "check", "--config", "amalgam.toml"]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert_eq!(text(&output.stdout), "configuration  is sound\nread           amalgam.toml\n");
}

#[test]
fn show_masks_secrets_and_tells_origins() {
    let case = Case::new("[source]\nurl = 'mysql://reader:778899@db:3307/od'\n");
    let output = amalgam(&case.directory, &["config", "show", "--origin", "--config", "amalgam.toml"]);
    let shown = text(&output.stdout);
    assert!(!shown.contains("778899"));
    let row = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(&format!("{key} "))).expect("the key is shown");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("source.url"), "source.url \"********\" amalgam.toml, line 2");
    assert_eq!(row("source.password"), "source.password \"********\" amalgam.toml");
    assert_eq!(row("source.port"), "source.port 3307 amalgam.toml");
    assert_eq!(row("sync.parallel_tables"), "sync.parallel_tables 3 default");

    let output = amalgam(&case.directory, &["config", "show", "--format", "json", "--config", "amalgam.toml"]);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(shown["source"]["password"], "********");
    assert_eq!(shown["source"]["host"], "db");
}
