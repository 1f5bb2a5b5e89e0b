/** Numbers and times as text, in the viewer's language and time zone. */

const DAY_MS = 86_400_000;

/**
 * @param {number} score 0–1
 * @returns {string} as a percentage
 */
export function formatPercent(score) {
  const percent = score * 100;
  return `${percent > 99 && percent < 100 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** @param {number} value 0–1 */
export function formatFraction(value) {
  return value.toFixed(2);
}

/**
 * @param {number} seconds
 * @returns {string} for example "6 s", "3 min", "2 h 5 min", "4 days"
 */
export function formatDuration(seconds) {
  if (seconds < 1) return `${Math.max(0.1, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 5 && seconds % 60 >= 1 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** @param {Date} date */
export function formatTime(date) {
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/** @param {number} hour 0–24 */
export function formatHour(hour) {
  return new Date(2000, 0, 1, hour).toLocaleTimeString(undefined, { hour: "numeric" });
}

/** @param {Date} date */
export function formatExactTime(date) {
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/**
 * @param {Date} date
 * @returns {string} "Today", "Yesterday", or the date
 */
export function formatDay(date) {
  const days = Math.round((+startOfDay(new Date()) - +startOfDay(date)) / DAY_MS);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year });
}

/** @param {Date} date */
export function formatDateTime(date) {
  return `${formatDay(date)}, ${formatExactTime(date)}`;
}

/**
 * Return the time on the device's clock.
 * @param {Date} date
 * @param {string | undefined} timezone of the device: a name, or an offset from UTC such as +0100
 * @returns {string} "" if both clocks show the same time
 */
export function formatDeviceTime(date, timezone) {
  if (!timezone) return "";
  const offset = /^([+-])(\d\d):?(\d\d)$/.exec(timezone);
  /** @type {Intl.DateTimeFormatOptions} */
  const parts = { day: "numeric", hour: "2-digit", minute: "2-digit" };
  const shift_min = offset ? Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3])) : 0;
  const moved = new Date(+date + shift_min * 60_000);
  const timeZone = offset ? "UTC" : timezone;
  try {
    if (moved.toLocaleString(undefined, { ...parts, timeZone }) === date.toLocaleString(undefined, parts)) return "";
    return moved.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", timeZone });
  } catch {
    return ""; // a zone that this browser does not know
  }
}

/**
 * @param {Date} date
 * @returns {Date} midnight of that day, in the viewer's time zone
 */
export function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

/**
 * @param {Date} date
 * @returns {string} YYYY-MM-DD in the viewer's time zone, as date fields use it
 */
export function formatDateField(date) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
