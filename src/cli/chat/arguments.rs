//! What `colloquy chat` takes.

use clap::Args;

/// Talks to a server.
///
/// Where that asks for a token, it is read from COLLOQUY_TOKEN, or from the file that COLLOQUY_TOKEN_FILE names.
#[derive(Args, Clone)]
pub struct ChatArguments {
    // Read by us, as the headers are: the parser's own complaint would repeat it, and with it a password.
    /// The server's GraphQL endpoint, or its base address.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8000/graphql")]
    pub url: String,
    /// Go on with this chat; otherwise the first message begins a new one and is its title.
    #[arg(long, value_name = "ID", conflicts_with = "new")]
    pub chat: Option<String>,
    /// Begin a new chat with this title.
    #[arg(long, value_name = "TITLE")]
    pub new: Option<String>,
    /// Whose chats to make and list, on a server that asks for no credential: a number, or text ('"7"' is text).
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// The language to be answered in, as a BCP 47 tag such as hi.
    #[arg(long, value_name = "TAG")]
    pub language: Option<String>,
    /// Send this header with each request and in connection_init, such as 'Authorization: Bearer …'; repeatable.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
}
