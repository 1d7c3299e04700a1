//! `colloquy setup`.

use std::error::Error;
use std::io::Write;

use crate::app;
use crate::config::Config;

/// Opens the store, which creates what it lacks.
pub async fn setup(config: Config) -> Result<(), Box<dyn Error>> {
    let store = app::open_store(&config.store).await?;
    store.close().await?;
    writeln!(std::io::stdout(), "The store is set up.")?;
    Ok(())
}
