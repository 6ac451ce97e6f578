/* Prints the machine's sgemm peak in FLOP/s. */
#include "linear/peak.h"
#include <stdio.h>

int main(void) {
    printf("%.6g\n", bl_sgemm_peak());
    return 0;
}
