//! Mutations: of JSON as JSON, and of anything as bytes.

use fastrand::Rng;
use serde_json::{Map, Value};

use super::engine::Target;

/// The longest input but for those that are made too long on purpose.
const LONGEST: usize = 4096;

/// Numbers at the edges of what readers hold them in, as they are spelled.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "100",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "1e400",
    "-0.0",
    "0.5",
    "00",
    "+1",
    "1000000000000",
];

/// Texts that a reader, or a terminal, may take for something else.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "\u{1b}[2J",
    "\u{9b}31m",
    "\u{7f}",
    "\r\n",
    "\u{202e}evil",
    "\u{feff}",
    "2026-11-20T23:59:59.123Z",
    "2026-11-20T23:59:60+23:59",
    "-009999-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "linux",
    "macos",
    "windows",
    "node",
    "İ",
    "é",
    "𝕏",
];

/// A new input from the pool.
pub(super) fn mutate(pool: &[Vec<u8>], target: &Target, rng: &mut Rng) -> Vec<u8> {
    let mut input = pick(pool, rng).clone();
    let mut rounds = 1 + rng.usize(..4);
    if target.json
        && rng.u8(..4) > 0
        && let Some(json) = mutate_json(&input, pool, target.words, rng)
    {
        input = json;
        rounds = usize::from(rng.u8(..8) == 0);
    }
    for _ in 0..rounds {
        mutate_bytes(&mut input, pool, target.words, rng);
    }
    input.truncate(LONGEST);
    // Past the limit of what is read as a record, once in a while.
    if target.json && rng.u16(..512) == 0 {
        let filler = *pick(&[b' ', b'\n', b'x', 0], rng);
        input.resize(64 * 1024 - 8 + rng.usize(..16), filler);
    }
    input
}

fn mutate_bytes(input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    let end = (at + rng.usize(..=16)).min(input.len());
    match rng.u8(..10) {
        0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        1 if at < input.len() => input[at] = rng.u8(..),
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let again = input[at..end].repeat(1 + rng.usize(..8));
            input.splice(at..at, again);
        }
        5 => drop(input.splice(at..at, word(words, rng).bytes())),
        6 => drop(input.splice(at..end, word(NUMBERS, rng).bytes())),
        7 => drop(input.splice(at..end, word(TEXTS, rng).bytes())),
        8 => {
            let other = pick(pool, rng);
            let from = rng.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => replace_number(input, rng),
    }
}

/// Puts another number where one stands.
fn replace_number(input: &mut Vec<u8>, rng: &mut Rng) {
    let starts: Vec<_> = (0..input.len())
        .filter(|&at| input[at].is_ascii_digit() && (at == 0 || !input[at - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return;
    }
    let at = *pick(&starts, rng);
    let len = input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    input.splice(at..at + len, word(NUMBERS, rng).bytes());
}

/// `None` if it is not JSON.
fn mutate_json(input: &[u8], pool: &[Vec<u8>], keys: &[&str], rng: &mut Rng) -> Option<Vec<u8>> {
    let mut json: Value = serde_json::from_slice(input).ok()?;
    for _ in 0..1 + rng.usize(..3) {
        change(&mut json, pool, keys, rng);
    }
    let written =
        if rng.bool() { serde_json::to_vec(&json) } else { serde_json::to_vec_pretty(&json) };
    written.ok()
}

/// Changes one place in a value: replaced, removed, added, or taken from another input.
fn change(json: &mut Value, pool: &[Vec<u8>], keys: &[&str], rng: &mut Rng) {
    match json {
        Value::Object(map) if !map.is_empty() && rng.u8(..16) > 0 => {
            let key = pick(&map.keys().cloned().collect::<Vec<_>>(), rng).clone();
            match rng.u8(..8) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(word(keys, rng).to_owned(), leaf(rng))),
                2 => {
                    let other = serde_json::from_slice::<Map<_, _>>(pick(pool, rng).as_slice());
                    let (other, key) = (other.unwrap_or_default(), word(keys, rng));
                    if let Some(value) = other.get(key) {
                        map.insert(key.to_owned(), value.clone());
                    }
                }
                _ => change(&mut map[&key], pool, keys, rng),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.bool() => {
            let at = rng.usize(..items.len());
            change(&mut items[at], pool, keys, rng);
        }
        Value::String(text) if rng.bool() => match text.parse::<u64>() {
            Ok(number) => *text = number.wrapping_add(rng.u64(..3)).wrapping_sub(1).to_string(),
            Err(_) => text.push_str(word(TEXTS, rng)),
        },
        Value::Number(number) if rng.bool() => {
            let near = number.as_u64().map(|n| n.wrapping_add(rng.u64(..3)).wrapping_sub(1));
            *json = near.map_or(Value::Null, Value::from);
        }
        _ => *json = leaf(rng),
    }
}

fn leaf(rng: &mut Rng) -> Value {
    let number = |rng: &mut Rng| serde_json::from_str(word(NUMBERS, rng)).unwrap_or(Value::Null);
    match rng.u8(..8) {
        0 => Value::Null,
        1 => Value::from(rng.bool()),
        2 => Value::from(word(NUMBERS, rng).to_owned()),
        3 | 4 => Value::from(word(TEXTS, rng).to_owned()),
        5 => Value::Array(vec![number(rng)]),
        6 => Value::Object(Map::new()),
        _ => number(rng),
    }
}

fn pick<'a, T>(from: &'a [T], rng: &mut Rng) -> &'a T {
    &from[rng.usize(..from.len())]
}

fn word<'a>(from: &[&'a str], rng: &mut Rng) -> &'a str {
    from[rng.usize(..from.len())]
}
