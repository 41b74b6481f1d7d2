//! A small program that does what programs do: it reads its environment, files of its directory, keeps a file in the
//! directory for temporary ones, listens on a port, counts. Each of these is there once per process or once per machine.
//!
//! ```
//! assert_eq!(leaky::greeting(), "hello");
//! ```

use std::fs::OpenOptions;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

static VISITORS: AtomicU32 = AtomicU32::new(0);

/// Greets in the language that the environment names.
pub fn greeting() -> String {
    match std::env::var("LEAKY_LANGUAGE").as_deref() {
        Ok("french") => french().unwrap_or_default(),
        _ => "hello".into(),
    }
}

/// Reads from a file what is said in French.
pub fn french() -> io::Result<String> {
    Ok(std::fs::read_to_string("data/french.txt")?.trim().into())
}

/// Counts a visitor, and returns which one it is.
pub fn visit() -> u32 {
    VISITORS.fetch_add(1, Ordering::SeqCst) + 1
}

/// Where the lock is.
pub fn lock_path() -> PathBuf {
    std::env::temp_dir().join("leaky-rust-example.lock")
}

/// Takes the lock; fails where somebody has it.
pub fn lock() -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(lock_path()).map(drop)
}

/// Listens as the service does.
pub fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 47_911))
}
