/**
 * The neighbourhood: who takes part and by which numbers. The same file at every node; its hash marks every
 * message, so nodes of another neighbourhood (or of other rules) can never be mistaken for ours.
 */
export type ConnectorKind = 'slow' | 'fast' | 'rapid';

export interface RegisteredNode {
  readonly name: string;
  /** ed25519 public key, 32 bytes, hexadecimal. */
  readonly publicKey: string;
  /**
   * A charge point votes and trades; the head meter signs SITE readings and follows the chain; the registrar, where there
   * is one, signs who joins and who leaves, and nothing else.
   */
  readonly role: 'charge-point' | 'head-meter' | 'registrar';
  /** Who runs it, where one runs several: limits their seats. */
  readonly operator?: string;
  /** Absent at the head meter. Ratings of the connector, AC side. */
  readonly connector?: { readonly kind: ConnectorKind; readonly charge_W: number; readonly discharge_W: number };
  /** F_i: what this node may draw without any agreement (protocol README, physical safety). 0 at the head meter. */
  readonly safeShare_W: number;
}

export interface Neighbourhood {
  /** Letters, digits, hyphens; part of the MQTT topic. */
  readonly microgrid: string;
  /** ROUNDTIME in seconds; divides a day; 300 unless stated. Round = floor(UTC / ROUNDTIME). */
  readonly roundTime_s: number;
  /** Import and export limits at the head meter, and what is kept free under the import limit for the forecast's error. */
  readonly capacity_W: number;
  readonly exportLimit_W: number;
  readonly margin_W: number;
  /** How many committed rounds an order may wait (the paper's two). */
  readonly maxWait_rounds: number;
  /** H, rounds that a schedule looks ahead, its own included (1 = the paper's Eq. 11). */
  readonly lookAhead_rounds: number;
  readonly chargingEfficiency_ppm: number;
  readonly dischargingEfficiency_ppm: number;
  /** Optional prior of the household load, W per round of a UTC day, used until the chain has its own days. */
  readonly loadProfile_W?: readonly number[];
  /** In the order of their index, which is their identity in every message. */
  readonly nodes: readonly RegisteredNode[];
}
