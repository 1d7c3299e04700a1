//! How Colloquy is shipped: the image, the compose file and the manifests of Kubernetes are valid, and what they say of
//! the program is so. Nothing here needs a container engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use mongodb::bson::Document;
use serde_json::Value;

use crate::docs::settings;
use crate::support::program::run;
use crate::support::scratch::{Scratch, from_script};
use crate::support::server::Server;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MANIFESTS: &str = "ops/kubernetes";
const KUSTOMIZATION: &str = "kustomization.yaml";
/// The oldest Kubernetes that knows all of the manifests, and the newest whose schemas the validator has.
const KUBERNETES: [&str; 2] = ["1.30.0", "1.37.0"];
/// How long a server takes to end after the time to drain, in seconds (docs/shutdown.md).
const LAST_SECONDS: u64 = 6;
/// Variables without a flag, because they hold secrets.
const SECRETS: [&str; 1] = ["OPENAI_API_KEY"];

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// One of the programs that judge how we ship.
fn tool(name: &str) -> Command {
    let mut tool = Command::new(Path::new(&from_script("COLLOQUY_TEST_SHIPPING")).join(name));
    tool.current_dir(ROOT);
    tool
}

fn colloquy() -> Command {
    let mut colloquy = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    for (_, variable) in settings() {
        colloquy.env_remove(variable);
    }
    colloquy
}

/// The compose file as Docker Compose understands it.
fn compose() -> Value {
    let mut config = tool("docker-compose");
    config.args(["--file", "compose.yaml", "config", "--format", "json"]);
    serde_json::from_str(&run(&mut config)).unwrap()
}

/// The documents of a file of Kubernetes.
fn manifest(file: &str) -> Vec<Value> {
    let script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let mut python = tool("python");
    python.args(["-c", script, &format!("{MANIFESTS}/{file}")]);
    serde_json::from_str(&run(&mut python)).unwrap()
}

fn manifest_files() -> BTreeSet<String> {
    let folder = fs::read_dir(Path::new(ROOT).join(MANIFESTS)).unwrap();
    let files = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter(|file| file != KUSTOMIZATION).collect()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// The Dockerfile's instructions, each in one line.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (name, rest) = line.trim().split_once(' ').unwrap();
            (name.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

/// The last of the Dockerfile's instructions of a name.
fn instruction(name: &str) -> String {
    let all = instructions().into_iter().rev();
    let mut of_name = all.filter(|(instruction, _)| instruction == name);
    of_name.next().unwrap_or_else(|| panic!("no {name}")).1
}

/// What the image sets.
fn image_variables() -> BTreeMap<String, String> {
    let env = instruction("ENV");
    let pairs = env.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The command that the image asks its own health by.
fn image_health() -> Vec<String> {
    let check = instruction("HEALTHCHECK");
    let (_, command) = check.split_once("CMD ").unwrap();
    serde_json::from_str(command).unwrap()
}

/// The servers of the compose file.
fn compose_servers() -> Vec<Value> {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let servers = services.iter().filter(|(name, _)| name.starts_with("colloquy"));
    servers.map(|(_, service)| service.clone()).collect()
}

/// The pod of the deployment.
fn pod() -> Value {
    manifest("deployment.yaml")[0]["spec"]["template"]["spec"].clone()
}

/// The containers of the deployment, the one that serves first.
fn containers() -> Vec<Value> {
    let pod = pod();
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|kind| pod[kind].as_array().unwrap().clone())
        .collect()
}

/// Each command line of the program that is written somewhere, without the program.
fn command_lines() -> Vec<Vec<String>> {
    let image: Vec<String> = serde_json::from_str(&instruction("CMD")).unwrap();
    let health = image_health()[1..].to_vec();
    let mut lines = vec![image, health];
    for server in compose_servers() {
        lines.push(texts(&server["command"]));
        lines.push(texts(&server["healthcheck"]["test"])[2..].to_vec());
    }
    lines.extend(containers().iter().map(|container| texts(&container["args"])));
    lines
}

fn seconds_of(line: &[String], flag: &str) -> u64 {
    let value = line
        .iter()
        .find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='));
    value
        .unwrap_or_else(|| panic!("{line:?} has no {flag}"))
        .parse()
        .unwrap()
}

#[test]
fn the_dockerfile_the_compose_file_and_the_manifests_are_valid() {
    run(tool("hadolint").arg("Dockerfile"));
    compose();
    let files = manifest_files();
    for version in KUBERNETES {
        let mut validate = tool("kubernetes-validate");
        validate.args(["--strict", "--kubernetes-version", version]);
        validate.args(files.iter().map(|file| format!("{MANIFESTS}/{file}")));
        let told = run(&mut validate);
        // What it has no schema for it only warns of.
        assert!(!told.contains("WARN"), "{told}");
    }
    let kustomization = &manifest(KUSTOMIZATION)[0];
    let named: BTreeSet<_> = texts(&kustomization["resources"]).into_iter().collect();
    assert_eq!(named, files);
}

#[test]
fn every_command_line_and_every_variable_is_one_of_the_program() {
    for line in command_lines() {
        run(colloquy().args(&line).arg("--help"));
    }
    let known: BTreeSet<_> = settings().into_iter().map(|(_, variable)| variable).collect();
    let check = |name: &str| assert!(known.contains(name) || SECRETS.contains(&name), "{name}");
    image_variables().keys().for_each(|name| check(name));
    for server in compose_servers() {
        let variables = server["environment"].as_object().unwrap();
        variables.keys().for_each(|name| check(name));
        let set = variables
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?)));
        // Prints the schema, after it has read what is set.
        run(colloquy().envs(set).arg("schema"));
    }
    for container in containers() {
        for variable in container["env"].as_array().unwrap() {
            check(variable["name"].as_str().unwrap());
        }
    }
    let page = read("docs/operations.md");
    for quoted in page.split('`').skip(1).step_by(2) {
        let word = quoted.split([' ', '=']).next().unwrap();
        if word.starts_with("COLLOQUY_") {
            check(word);
        } else if let Some(flag) = word.strip_prefix("--") {
            let is_flag = flag == "help" || settings().iter().any(|(known, _)| known == flag);
            assert!(is_flag, "docs/operations.md: {word}");
        }
    }
}

#[test]
fn the_image_refuses_to_be_reached_by_others_until_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Reads what the server reads, and ends if that is not refused.
    let mut setup = colloquy();
    setup.envs(image_variables()).arg("setup");
    setup.arg("--store").arg(folder.path().join("data"));
    let output = setup.output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("--insecure-no-auth"), "{complaint}");

    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let ports = services
        .values()
        .filter_map(|service| service["ports"].as_array());
    let published: Vec<_> = ports.flatten().collect();
    assert_eq!(published.len(), 1, "{published:?}");
    assert_eq!(published[0]["host_ip"], "127.0.0.1");
}

#[tokio::test]
async fn what_looks_after_a_server_asks_what_it_answers() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let address = server.url.trim_start_matches("http://");
    for line in command_lines().iter().filter(|line| line[0] == "health") {
        run(colloquy().args(line).env("COLLOQUY_LISTEN", address));
    }
    let [container, ..] = &containers()[..] else {
        panic!("no container");
    };
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        let status = reqwest::get(server.at(path)).await.unwrap().status();
        assert_eq!(status, 200, "{path}");
    }
}

#[test]
fn a_server_is_given_more_time_to_end_than_it_takes() {
    for server in compose_servers() {
        let given = server["stop_grace_period"].as_str().unwrap();
        let given: u64 = given.strip_suffix('s').unwrap().parse().unwrap();
        let taken = seconds_of(&texts(&server["command"]), "--drain-seconds") + LAST_SECONDS;
        assert!(given > taken, "{given} {taken}");
    }
    let container = &containers()[0];
    let waited = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_u64()
        .unwrap();
    let given = pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
    let taken = waited + seconds_of(&texts(&container["args"]), "--drain-seconds") + LAST_SECONDS;
    assert!(given > taken, "{given} {taken}");
}

#[test]
fn names_versions_ports_and_users_agree() {
    let image = format!("colloquy:{}", env!("CARGO_PKG_VERSION"));
    for server in compose_servers() {
        assert_eq!(server["image"], image.as_str());
    }
    let kustomized = &manifest(KUSTOMIZATION)[0]["images"][0];
    let tag = kustomized["newTag"].as_str().unwrap();
    assert_eq!(format!("{}:{tag}", kustomized["name"].as_str().unwrap()), image);
    let args = instructions().into_iter().filter(|(name, _)| name == "ARG");
    let args: Vec<_> = args.map(|(_, text)| text).collect();
    assert!(
        args.contains(&format!("VERSION={}", env!("CARGO_PKG_VERSION"))),
        "{args:?}"
    );
    assert!(instruction("LABEL").contains(env!("CARGO_PKG_DESCRIPTION")));

    let program: Vec<String> = serde_json::from_str(&instruction("ENTRYPOINT")).unwrap();
    assert!(read("Dockerfile").contains(&format!("/out/colloquy {}\n", program[0])));
    assert_eq!(image_health()[0], program[0]);
    for server in compose_servers() {
        assert_eq!(
            texts(&server["healthcheck"]["test"])[..2],
            ["CMD", program[0].as_str()]
        );
    }

    let port: u64 = instruction("EXPOSE").parse().unwrap();
    assert_eq!(image_variables()["COLLOQUY_LISTEN"], format!("0.0.0.0:{port}"));
    assert_eq!(image_variables()["COLLOQUY_STORE"], instruction("VOLUME"));
    let container = &containers()[0];
    assert_eq!(container["ports"][0]["containerPort"], port);
    let service = &manifest("service.yaml")[0]["spec"]["ports"][0];
    assert_eq!(service["targetPort"], container["ports"][0]["name"]);
    let let_in = &manifest("network.yaml")[0]["spec"]["ingress"];
    for (index, port) in container["ports"].as_array().unwrap().iter().enumerate() {
        assert_eq!(let_in[index]["ports"][0]["port"], port["name"]);
    }
    let metrics = container["ports"][1]["containerPort"].to_string();
    let arguments = texts(&container["args"]);
    assert!(
        arguments.contains(&format!("--metrics-listen=0.0.0.0:{metrics}")),
        "{arguments:?}"
    );
    let scraped = &manifest("deployment.yaml")[0]["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(scraped["prometheus.io/port"], metrics.as_str());

    let nginx = &compose()["services"]["nginx"];
    let listen = nginx["environment"]["COLLOQUY_LISTEN"].as_str().unwrap();
    assert_eq!(nginx["ports"][0]["target"].to_string(), listen);
    let led_to = nginx["environment"]["COLLOQUY_SERVERS"].as_str().unwrap();
    for name in nginx["depends_on"].as_object().unwrap().keys() {
        assert!(led_to.contains(&format!("server {name}:{port} ")), "{led_to}");
    }

    let user = format!("{0}:{0}", pod()["securityContext"]["runAsUser"]);
    assert_eq!(instruction("USER"), user);
}

#[test]
fn what_the_dockerfile_copies_is_let_into_the_build_and_nothing_else() {
    let ignored = read(".dockerignore");
    let mut lines = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"));
    let let_in: BTreeSet<_> = lines.filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = BTreeSet::new();
    for (_, copy) in instructions().iter().filter(|(name, _)| name == "COPY") {
        if !copy.starts_with("--from") {
            let sources: Vec<_> = copy.split_whitespace().collect();
            copied.extend(
                sources[..sources.len() - 1]
                    .iter()
                    .map(|source| source.to_string()),
            );
        }
    }
    for source in &copied {
        assert!(Path::new(ROOT).join(source).exists(), "{source}");
    }
    let roots: BTreeSet<_> = copied
        .iter()
        .map(|source| source.split('/').next().unwrap())
        .collect();
    assert_eq!(let_in, roots);
}

#[tokio::test]
async fn every_index_is_in_the_page_about_operations_and_no_other() {
    let scratch = Scratch::mongo().await;
    scratch.open().await;
    let mut made = BTreeSet::new();
    let database = scratch.database().await;
    for collection in ["chats", "chat_messages"] {
        let collection = database.collection::<Document>(collection);
        let names = collection.list_index_names().await.unwrap();
        made.extend(names.into_iter().filter(|name| name != "_id_"));
    }
    let page = read("docs/operations.md");
    let (_, from_indexes) = page.split_once("| index of `chats` |").unwrap();
    let (indexes, _) = from_indexes.split_once("###").unwrap();
    let cells = indexes
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", ")).filter_map(|name| {
        let name = name.strip_prefix('`').or(name.strip_prefix("<code>"))?;
        name.strip_suffix('`').or(name.strip_suffix("</code>"))
    });
    let named: BTreeSet<_> = names.map(str::to_owned).collect();
    assert_eq!(named, made);
    scratch.remove().await;
}

#[test]
fn every_alert_has_a_section_that_says_what_to_do() {
    let alerts = read("ops/prometheus/alerts.yml");
    let alerts = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<_> = alerts.collect();
    assert!(!alerts.is_empty());
    let page = read("docs/operations.md");
    let sections: Vec<_> = page.split("\n### ").skip(1).collect();
    for alert in alerts {
        let section = sections
            .iter()
            .find(|section| section.lines().next() == Some(alert));
        let section = section.unwrap_or_else(|| panic!("no section about {alert}"));
        for row in ["means", "users notice", "look at", "do"] {
            assert!(section.contains(&format!("\n| {row} | ")), "{alert}: {row}");
        }
    }
}
