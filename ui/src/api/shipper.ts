// What this server reads log lines from by itself.
import { get } from './http';

export type FollowedFile = { job: string; path: string; offset: number; size: number | null; state: string };
export type LineSource = { job: string; kind: string; name: string; lines: number; state: string };
export type ShipperStatus = {
  files: FollowedFile[];
  sources: LineSource[];
  receivers: { host: string; lastError: string | null }[];
  bufferBytes: number;
  bufferLimit: number;
  notices: string[];
};

/** Null where no file tells the server to read anything. */
export async function fetchShipper(signal?: AbortSignal): Promise<ShipperStatus | null> {
  return (await get<ShipperStatus | null>('/api/afferent/v1/status/shipper', {}, signal)).data;
}
