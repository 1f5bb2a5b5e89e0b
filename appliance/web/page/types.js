/**
 * The shapes of the HTTP API, for the type checker.
 *
 * @typedef {{label: string, score: number, index?: number}} Score
 * @typedef {{part: string, message: string}} Problem
 * @typedef {{id: string, name: string, version: string, host: string, timezone: string, time: string}} DeviceInfo
 * @typedef {{state: string, reason: string | null, description: string | null, fps: number | null, age_s: number | null,
 *   size: [number, number] | null}} CameraInfo
 * @typedef {{value: number, source: string, default: number}} Threshold
 * @typedef {{name: string, version: string | null, sha256: string, input: any, runtime?: string, kernels?: string | null,
 *   labels: string[], description?: string | null, card: any,
 *   report: any, since: string | null, origin: string | null}} ModelInfo
 * @typedef {{source?: string, state: string | null, version: string | null, reason: string | null, percentage: number | null,
 *   available: string | null, probation_left_s: number | null}} UpdateInfo
 * @typedef {{device: DeviceInfo, camera: CameraInfo, running: boolean, snapshots: boolean, collect: boolean,
 *   labeling: {state: string, reason: string | null}, known: boolean,
 *   current: {label: string, score: number, since: string | null} | null, labels: Score[], threshold: Threshold,
 *   thresholds: Record<string, number>, model: ModelInfo, update: UpdateInfo,
 *   broker: {connected: boolean, trouble: string | null, waiting: number},
 *   history: {enabled: boolean, error: string | null}, viewers: number, upload: boolean, problems: Problem[]}} Status
 * @typedef {{time: string, frame: number, labels: Score[], current: {label: string, score: number, since?: string} | null,
 *   known: boolean, inference_ms: number}} LabelsMessage
 * @typedef {{id: string, label: string, score: number, peak_score: number, started: string, ended: string | null,
 *   duration_s: number | null, reason: string | null, model: {name: string, version?: string | null}, scores: Score[],
 *   picture: boolean}} EventRecord
 * @typedef {{time: string, level: string, text: string}} LogLine
 * @typedef {Record<string, any>} StatsPoint
 */

export {};
