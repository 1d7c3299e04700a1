//! What Redis does in one step, in its own Lua: nothing of it can be seen half done.
//!
//! The stream of a chat begins with an entry of no event, `E-0`, and its events follow as `E-1`, `E-2`, …: the epoch
//! `E` is the moment at which the stream was made, in microseconds, so that a stream that went and came again is
//! another. Numbers without holes show at once whether one is missing.

use redis::{Cmd, Script};

/// A script for each step.
pub(super) struct Scripts {
    publish: Script,
    open: Script,
    renew: Script,
    append: Script,
    beat: Script,
    count: Script,
}

/// Makes a stream that begins anew, and leaves its epoch in `epoch`.
const BEGIN: &str = r"
local function begin()
  local now = redis.call('TIME')
  local epoch = now[1] .. string.format('%06d', now[2])
  redis.call('XADD', KEYS[1], epoch .. '-0', 'e', '')
  return epoch
end
";

/// KEYS: the stream. ARGV: the event, how many are kept, for how many milliseconds.
const PUBLISH: &str = r"
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, sequence
if last then
  epoch, sequence = string.match(last[1], '(%d+)-(%d+)')
else
  epoch, sequence = begin(), 0
end
local id = epoch .. '-' .. string.format('%.0f', sequence + 1)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], id, 'e', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], id .. ' ' .. ARGV[1])
";

/// KEYS: the stream. ARGV: for how many milliseconds it is kept.
const OPEN: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then begin() end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('XRANGE', KEYS[1], '-', '+')
";

/// KEYS: the stream. ARGV: for how many milliseconds it is kept.
const RENEW: &str = r"
redis.call('DEL', KEYS[1])
local epoch = begin()
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PUBLISH', KEYS[1], epoch .. '-0 ')
";

/// KEYS: the text. ARGV: the offset of the piece, the piece, for how many milliseconds the text is kept.
const APPEND: &str = r"
local kept, offset = redis.call('STRLEN', KEYS[1]), tonumber(ARGV[1])
if kept < offset then return kept end
local new = string.sub(ARGV[2], kept - offset + 1)
if #new > 0 then kept = redis.call('APPEND', KEYS[1], new) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return kept
";

/// KEYS: when servers were last heard of. ARGV: this server, for how many milliseconds one is believed to live.
const BEAT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if known then return 1 else return 0 end
";

/// KEYS: the room, when servers were last heard of. ARGV: this server, for how many milliseconds one is believed to live.
const COUNT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sum, found = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  local seen = redis.call('ZSCORE', KEYS[2], found[i])
  if not seen or now - seen > tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], found[i])
  elseif found[i] ~= ARGV[1] then
    sum = sum + found[i + 1]
  end
end
return sum
";

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            publish: Script::new(&format!("{BEGIN}{PUBLISH}")),
            open: Script::new(&format!("{BEGIN}{OPEN}")),
            renew: Script::new(&format!("{BEGIN}{RENEW}")),
            append: Script::new(APPEND),
            beat: Script::new(BEAT),
            count: Script::new(COUNT),
        }
    }

    /// All of them, to be made known to a server.
    pub(super) fn all(&self) -> [&Script; 6] {
        [
            &self.publish,
            &self.open,
            &self.renew,
            &self.append,
            &self.beat,
            &self.count,
        ]
    }

    /// Adds an event to a stream of at most some `length_max`, and tells it.
    pub(super) fn publish(&self, stream: &str, event: &str, length_max: usize, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.publish, &[stream]);
        cmd.arg(event).arg(length_max).arg(kept_ms);
        cmd
    }

    /// Everything in a stream, which is made if there is none.
    pub(super) fn open(&self, stream: &str, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.open, &[stream]);
        cmd.arg(kept_ms);
        cmd
    }

    /// Begins a stream anew, and tells so.
    pub(super) fn renew(&self, stream: &str, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.renew, &[stream]);
        cmd.arg(kept_ms);
        cmd
    }

    /// Appends to a text what of a piece is not there yet, and tells the piece: how many bytes there are by then.
    pub(super) fn append(&self, text: &str, offset: usize, piece: &str, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.append, &[text]);
        cmd.arg(offset).arg(piece).arg(kept_ms);
        cmd
    }

    /// Says that a server lives: whether that was known.
    pub(super) fn beat(&self, servers: &str, name: &str, alive_ms: u64) -> Cmd {
        let mut cmd = call(&self.beat, &[servers]);
        cmd.arg(name).arg(alive_ms);
        cmd
    }

    /// How many connections a room has on the servers that live, this one aside.
    pub(super) fn count(&self, room: &str, servers: &str, name: &str, alive_ms: u64) -> Cmd {
        let mut cmd = call(&self.count, &[room, servers]);
        cmd.arg(name).arg(alive_ms);
        cmd
    }
}

fn call(script: &Script, keys: &[&str]) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(script.get_hash()).arg(keys.len()).arg(keys);
    cmd
}
