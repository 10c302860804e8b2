//! The tool on a terminal, by `script(1)`.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// What a terminal of 80 columns shows of a shell line that runs the tool.
pub(crate) fn shown(line: &str) -> String {
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).stdin(Stdio::null());
    super::clean(&mut command);
    let output = command.output().expect("script(1), of util-linux");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The tool on a terminal of its own, which asked.
pub(crate) struct Asking {
    child: Child,
    keys: ChildStdin,
    screen: BufReader<Box<dyn Read>>,
}

impl Asking {
    pub(crate) fn about(file: &Path) -> Self {
        let line = format!("exec \"$LOCKCTL\" session break '{}'", file.display());
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        super::clean(&mut command);
        let mut child = command.spawn().expect("script(1), of util-linux");
        let keys = child.stdin.take().unwrap();
        let screen: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
        let mut screen = BufReader::new(screen);
        let mut asked = Vec::new();
        screen.read_until(b'?', &mut asked).unwrap();
        let asked = String::from_utf8_lossy(&asked);
        assert!(asked.ends_with("Remove this lock?"), "{asked}");
        Self { child, keys, screen }
    }

    pub(crate) fn answer(mut self, answer: &str) -> (Option<i32>, String) {
        self.keys.write_all(answer.as_bytes()).unwrap();
        let mut said = String::new();
        self.screen.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}
