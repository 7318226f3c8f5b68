//! `manual`: writes the manual's pages and the completions of shells, for whoever packages the program. Not shown in --help.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

/// Arguments of `manual`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  liftwatch manual target/manual")]
pub struct ManualArgs {
    /// The folder for man/*.1 and completions/*; made if it is missing
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes them.
///
/// # Errors
/// A file cannot be written.
pub fn run(args: &ManualArgs, command: Command) -> anyhow::Result<()> {
    let pages = folder(&args.folder.join("man"))?;
    clap_mangen::generate_to(command.clone(), &pages)
        .with_context(|| format!("cannot write to {}", pages.display()))?;
    let completions = folder(&args.folder.join("completions"))?;
    let mut command = command;
    for shell in Shell::value_variants().iter().filter(|shell| matches!(shell, Shell::Bash | Shell::Zsh | Shell::Fish))
    {
        clap_complete::generate_to(*shell, &mut command, "liftwatch", &completions)
            .with_context(|| format!("cannot write to {}", completions.display()))?;
    }
    Ok(())
}

fn folder(path: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path.to_owned())
}
