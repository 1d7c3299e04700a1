//! Lua scripts that Redis runs atomically: no other client sees one half done.
//!
//! The stream of a chat begins with an entry without an event, `E-0`, and its events follow as `E-1`, `E-2`, …: the
//! epoch `E` is the moment at which the stream was made, in microseconds, so that a stream that was deleted and made
//! again has another epoch. No number is skipped, so that a missing event is noticed at once.
//!
//! Each entry names the run of Redis in which it was written (`run.rs`). A Redis that comes back with an older state
//! is another run: a stream of an earlier one may lack events that were received, so it is never continued. So is what
//! follows the death of a server, as `RUN+MOMENT`: streams may lack events that it had stored the change of, and had not
//! published.

use redis::{Cmd, Script};

/// A script for each step.
pub(super) struct Scripts {
    adopt: Script,
    publish: Script,
    open: Script,
    renew: Script,
    append: Script,
    end: Script,
    heartbeat: Script,
    count: Script,
}

/// The run of Redis as a server knows it.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The key of the run that all servers agree on.
    pub(super) key: &'a str,
    /// What this server knows.
    pub(super) name: &'a str,
}

/// KEYS: the run. ARGV: the run, for how many milliseconds it is kept, whether one that is known already stays.
const ADOPT: &str = r"
local known = redis.call('GET', KEYS[1])
if known and ARGV[3] ~= '1' and string.match(known, '^[^+]*') ~= ARGV[1] then known = false end
redis.call('SET', KEYS[1], known or ARGV[1], 'PX', ARGV[2])
return known or ARGV[1]
";

/// Refuses a server that knows another run than the others, so that it never writes where they do not listen.
/// KEYS: another, the run. ARGV: the run, for how many milliseconds it is kept.
const CHECK: &str = r"
local known = redis.call('GET', KEYS[2])
if not known then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
elseif known ~= ARGV[1] then
  return redis.error_reply('STALE another run of Redis is known')
end
";

/// `begin` makes an empty stream in place of the old one, publishes that, and returns its epoch. `is_current` says
/// whether the stream with this last entry may be continued.
const BEGIN: &str = r"
local function is_current(last) return last and last[2][4] == ARGV[1] end
local function begin()
  redis.call('DEL', KEYS[1])
  local now = redis.call('TIME')
  local epoch = now[1] .. string.format('%06d', now[2])
  redis.call('XADD', KEYS[1], epoch .. '-0', 'e', '', 'r', ARGV[1])
  redis.call('PUBLISH', KEYS[1], epoch .. '-0 ')
  return epoch
end
";

/// KEYS: the stream, the run. ARGV: the run, for how many milliseconds things are kept, the event, how many are kept.
const PUBLISH: &str = r"
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, sequence
if is_current(last) then
  epoch, sequence = string.match(last[1], '(%d+)-(%d+)')
else
  epoch, sequence = begin(), 0
end
local id = epoch .. '-' .. string.format('%.0f', sequence + 1)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], id, 'e', ARGV[3], 'r', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], id .. ' ' .. ARGV[3])
";

/// KEYS: the stream, the run. ARGV: the run, for how many milliseconds things are kept.
const OPEN: &str = r"
if not is_current(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]) then begin() end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('XRANGE', KEYS[1], '-', '+')
";

/// KEYS: the stream, the run. ARGV: the run, for how many milliseconds things are kept.
const RENEW: &str = r"
begin()
redis.call('PEXPIRE', KEYS[1], ARGV[2])
";

/// KEYS: the text, the mark of its end. ARGV: the offset of the piece, the piece, for how many milliseconds the text is
/// kept. A piece that comes after the end prolongs nothing.
const APPEND: &str = r"
local kept, offset = redis.call('STRLEN', KEYS[1]), tonumber(ARGV[1])
if kept < offset then return kept end
local new = string.sub(ARGV[2], kept - offset + 1)
if #new > 0 then kept = redis.call('APPEND', KEYS[1], new) end
local left = redis.call('PTTL', KEYS[2])
redis.call('PEXPIRE', KEYS[1], left > 0 and left or ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return kept
";

/// KEYS: the text, the mark of its end. ARGV: for how many milliseconds the text is still kept.
const END: &str = r"
redis.call('PUBLISH', KEYS[1], 'ended ')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '', 'PX', ARGV[1])
";

/// A server that ended well has removed its heartbeat. One that is overdue took events with it that nobody else knows,
/// so another run begins, and with it every stream anew.
/// KEYS: the servers' last heartbeats, the run. ARGV: the run, for how many milliseconds things are kept, this server,
/// for how many milliseconds a server counts as alive.
const HEARTBEAT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was_alive = redis.call('ZSCORE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3])
local dead = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
if dead > 0 then
  local run = string.match(ARGV[1], '^[^+]*') .. string.format('+%.0f', now)
  redis.call('SET', KEYS[2], run, 'PX', ARGV[2])
  return 2
end
if was_alive then return 1 else return 0 end
";

/// KEYS: the room, the servers' last heartbeats. ARGV: this server, for how many milliseconds a server counts as alive.
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
            adopt: Script::new(ADOPT),
            publish: Script::new(&format!("{CHECK}{BEGIN}{PUBLISH}")),
            open: Script::new(&format!("{CHECK}{BEGIN}{OPEN}")),
            renew: Script::new(&format!("{CHECK}{BEGIN}{RENEW}")),
            append: Script::new(APPEND),
            end: Script::new(END),
            heartbeat: Script::new(&format!("{CHECK}{HEARTBEAT}")),
            count: Script::new(COUNT),
        }
    }

    /// All of them, to be loaded into Redis.
    pub(super) fn all(&self) -> [&Script; 8] {
        [
            &self.adopt,
            &self.publish,
            &self.open,
            &self.renew,
            &self.append,
            &self.end,
            &self.heartbeat,
            &self.count,
        ]
    }

    /// Sets the run that all servers agree on; with `keeps_known`, only if there is none. Returns the run they agree
    /// on.
    pub(super) fn adopt(&self, run: Run<'_>, keeps_known: bool, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.adopt, &[run.key]);
        cmd.arg(run.name).arg(kept_ms).arg(u8::from(keeps_known));
        cmd
    }

    /// Adds an event to a stream of about `length_max` entries at most, and publishes it.
    pub(super) fn publish(
        &self,
        stream: &str,
        run: Run<'_>,
        event: &str,
        length_max: usize,
        kept_ms: u64,
    ) -> Cmd {
        let mut cmd = call(&self.publish, &[stream, run.key]);
        cmd.arg(run.name).arg(kept_ms).arg(event).arg(length_max);
        cmd
    }

    /// Everything in a stream, which is made if there is none.
    pub(super) fn open(&self, stream: &str, run: Run<'_>, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.open, &[stream, run.key]);
        cmd.arg(run.name).arg(kept_ms);
        cmd
    }

    /// Resets a stream, and publishes that.
    pub(super) fn renew(&self, stream: &str, run: Run<'_>, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.renew, &[stream, run.key]);
        cmd.arg(run.name).arg(kept_ms);
        cmd
    }

    /// Appends the missing part of a piece to a text, and publishes the piece. Returns the length of the text in bytes.
    pub(super) fn append(&self, text: &[String; 2], offset: usize, piece: &str, kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.append, text);
        cmd.arg(offset).arg(piece).arg(kept_ms);
        cmd
    }

    /// Publishes that a text has ended, which is kept for this long after that.
    pub(super) fn end(&self, text: &[String; 2], kept_ms: u64) -> Cmd {
        let mut cmd = call(&self.end, text);
        cmd.arg(kept_ms);
        cmd
    }

    /// Stores that a server is alive. Returns 1 if it already counted as alive, 0 if not, and 2 if another server has
    /// died, so that the run is another from now on.
    pub(super) fn heartbeat(
        &self,
        servers: &str,
        run: Run<'_>,
        kept_ms: u64,
        name: &str,
        alive_ms: u64,
    ) -> Cmd {
        let mut cmd = call(&self.heartbeat, &[servers, run.key]);
        cmd.arg(run.name).arg(kept_ms).arg(name).arg(alive_ms);
        cmd
    }

    /// How many connections a room has on the other live servers.
    pub(super) fn count(&self, room: &str, servers: &str, name: &str, alive_ms: u64) -> Cmd {
        let mut cmd = call(&self.count, &[room, servers]);
        cmd.arg(name).arg(alive_ms);
        cmd
    }
}

fn call(script: &Script, keys: &[impl redis::ToRedisArgs]) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(script.get_hash()).arg(keys.len()).arg(keys);
    cmd
}
